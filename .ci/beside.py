"""Runs two commands side by side: ``python .ci/beside.py COMMAND… -- COMMAND…``.

The first prints as it goes; what the second prints is shown when both have ended. The exit code is
the first one that is not 0.
"""

import subprocess
import sys
import tempfile


def run_beside(first: list[str], second: list[str]) -> int:
    """Run both; a terminal's Ctrl-C reaches both, and both are waited for."""
    with tempfile.TemporaryFile() as log:
        beside = subprocess.Popen(second, stdout=log, stderr=subprocess.STDOUT)
        codes = [_wait(subprocess.Popen(first)), _wait(beside)]
        log.seek(0)
        sys.stdout.buffer.write(log.read())
        sys.stdout.flush()
    return next((code for code in codes if code), 0)


def _wait(process: "subprocess.Popen[bytes]") -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # it ends by itself, and says what it was at


if __name__ == "__main__":
    apart = sys.argv.index("--")
    print("Half of the tests run beside; what they print comes last.", flush=True)
    sys.exit(run_beside(sys.argv[1:apart], sys.argv[apart + 1 :]))
