import numpy as np
import pytest

from dask_espresso.views.wca import wca_band, wca_pressure

# phi, theory as tabulated, molecular dynamics of 500 particles
REFERENCE = [
    (0.10, 0.2968, 0.2975),
    (0.20, 0.9582, 0.9628),
    (0.30, 2.4107, 2.426),
    (0.35, 3.6968, 3.719),
    (0.40, 5.6104, 5.644),
    (0.45, 8.4752, 8.519),
    (0.48, 10.8545, 10.874),
    (0.51, 13.9221, 13.865),
]
# phi, molecular dynamics of 100 and 400 particles extrapolated to infinitely many, standard error
EXTRAPOLATED = [
    (0.10, 0.2970, 0.0002),
    (0.20, 0.9611, 0.0006),
    (0.25, 1.5481, 0.0012),
    (0.30, 2.4220, 0.0015),
    (0.35, 3.7206, 0.0025),
    (0.40, 5.6504, 0.0024),
    (0.45, 8.5341, 0.0060),
    (0.48, 10.8949, 0.0087),
]


@pytest.mark.parametrize(("volume_fraction", "theory", "simulated"), REFERENCE)
def test_wca_pressure_is_the_tabulated_one(volume_fraction, theory, simulated):
    assert wca_pressure(volume_fraction) == pytest.approx(theory, abs=6e-5)
    assert wca_pressure(volume_fraction) == pytest.approx(simulated, rel=0.01)


def test_wca_pressure_has_the_second_virial_coefficient():
    density = 1e-4
    pressure = wca_pressure(density * np.pi / 6)
    assert (pressure / density - 1) / density == pytest.approx(2.20472, rel=2e-3)


def test_wca_pressure_takes_arrays_of_any_shape():
    volume_fractions = np.array([[0.1, 0.2], [0.3, 0.4]])
    pressures = wca_pressure(volume_fractions)
    assert pressures.shape == (2, 2)
    assert pressures[1, 0] == wca_pressure(0.3)
    assert wca_pressure(0.0) == 0.0


@pytest.mark.parametrize(("volume_fraction", "simulated", "error"), EXTRAPOLATED)
def test_simulations_are_in_the_band(volume_fraction, simulated, error):
    low, high = wca_band(volume_fraction)
    assert low == wca_pressure(volume_fraction)
    assert low - error < simulated < high + error
    assert high < 1.01 * simulated


def test_there_is_no_band_where_the_fluid_freezes():
    low, high = wca_band([0.0, 0.48, 0.5])
    np.testing.assert_array_equal(np.isnan([low, high]), [[False, False, True]] * 2)
