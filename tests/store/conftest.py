import pytest

from dask_espresso.inputs.study import load_study


@pytest.fixture
def study(study_file, script):
    script("", name="s.py")
    return load_study(
        study_file("""
            name: test
            engine: python
            script: s.py
            parameters: {x: {start: 1, stop: 200, step: 1}}
        """)
    )
