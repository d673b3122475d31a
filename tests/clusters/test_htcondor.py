"""What only HTCondor has."""

from processes import wait_for


def test_the_driver_is_held_and_released(batch, make_study):
    study = make_study(count=200)
    driver = study.submit()
    study.wait_for_work()
    batch.hold(driver)
    wait_for("the end of all worker jobs", lambda: not batch.workers(), 20)

    study.fault("driver held, from its being released")
    batch.release(driver)
    study.recovers()
    study.hurry()
    study.completes()
