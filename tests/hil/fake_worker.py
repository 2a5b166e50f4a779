"""Stands in for ``python -m host.hil.worker``: does with a job what ``FAKE_WORKER`` says."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

job = json.loads(sys.stdin.readline())
folder = Path(job["folder"])
folder.mkdir(parents=True, exist_ok=True)
plan = json.loads(Path(os.environ["FAKE_WORKER"]).read_text(encoding="utf-8"))
does = plan.get(job["name"], plan.get(job["target"], plan.get("*")))
with (folder.parent / "runs.log").open("a", encoding="utf-8") as log:
    log.write(f"{job['target']} {os.getpid()} begin {time.monotonic()}\n")
time.sleep(plan.get("seconds", 0))
outcome = {"status": "done", "seconds": 1.0, "retries": 0, "error": ""}
if does in ("hang", "die"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(f"child {child.pid}", file=sys.stderr, flush=True)
    if does == "hang":
        time.sleep(600)
    print("out of luck", file=sys.stderr, flush=True)
    sys.exit(7)
elif does in ("usage", "invalid"):
    outcome |= {"status": does, "error": f"{job['target']}: {does} on purpose"}
elif not job["train_only"]:
    report = Path(job["run_folder"]) / "report"
    report.mkdir(parents=True, exist_ok=True)
    (report / "result.json").write_text(json.dumps(does), encoding="utf-8")
with (folder.parent / "runs.log").open("a", encoding="utf-8") as log:
    log.write(f"{job['target']} {os.getpid()} end {time.monotonic()}\n")
(folder / "outcome.json").write_text(json.dumps(outcome), encoding="utf-8")
