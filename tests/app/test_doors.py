"""The doors: scripts and console commands answer at once, from any folder, from a wheel as well."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path for path in (ROOT / "scripts").glob("*.py") if "__main__" in path.read_text())
#: take a second or more each to import
HEAVY = ("torch", "pandas", "pyarrow", "pytorch_lightning", "matplotlib", "sklearn", "tensorboard")

LOADED = """
import json, runpy, sys
sys.argv = [sys.argv[1], "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as leaving:
    assert not leaving.code, leaving.code
print(json.dumps([name for name in {heavy!r} if name in sys.modules]))
"""


@pytest.mark.parametrize("script", ["train.py", "report.py"])
def test_help_waits_for_nothing_heavy(script, tmp_path) -> None:
    """``--help`` explains itself without torch, Lightning, pandas or a drawing library."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(heavy=HEAVY), str(ROOT / "scripts" / script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *text, loaded = done.stdout.splitlines()
    assert json.loads(loaded) == []
    assert any("python scripts/" in line for line in text)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_explains_itself(script, tmp_path) -> None:
    """From another folder, without writing anything there."""
    done = subprocess.run(
        [sys.executable, str(script), "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 80
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_wheel_out_of_the_source_archive_works_elsewhere(tmp_path) -> None:
    """It carries conf/ and the launcher, and trains from a folder that has never seen the sources."""
    pytest.importorskip("build", reason="build is in the extra `dev`")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist")]
    built = subprocess.run([*command, str(ROOT)], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    place = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(place), str(wheel)], check=True)
    assert (place / "experiments" / "conf" / "config.yaml").is_file()
    shipped = {p.relative_to(place / "experiments" / "conf") for p in place.rglob("conf/**/*.yaml")}
    kept = {p.relative_to(ROOT / "conf") for p in (ROOT / "conf").rglob("*.yaml")}
    assert shipped == kept
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    alone = {**os.environ, "PYTHONPATH": str(place)}
    where = "import experiments; print(experiments.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=elsewhere, env=alone, capture_output=True, text=True
    )
    assert found.stdout.startswith(str(place))
    tiny = ["data=higham", "trainer=cpu", "trainer.batch_size=4", "trainer.max_steps=2"]
    for arguments in (["--help"], ["-m", *tiny, "seed=0,1", "hydra/launcher=stacked"]):
        done = subprocess.run(
            [sys.executable, "-m", "experiments.app.train", *arguments],
            cwd=elsewhere,
            env=alone,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert (elsewhere / "runs" / "default" / "report.html").is_file()
