#!/usr/bin/env bash
# Packs what scripts/check_device.sh needs into one file, to carry to a machine that has a graphics card and its driver and nothing else:
# the program, the tests of the references' golden numbers, an experiment with its data, the scripts.
#   scripts/pack_device.sh [--features wgpu] [--profile release] [--out FILE]
# FILE is target/device/routelab-device.tar.gz unless it is named; one that ends in .tar.xz is smaller. What goes into it lies beside it in
# a folder. Fails above 64 MiB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

features=wgpu profile=release out=target/device/routelab-device.tar.gz
while [ $# -gt 0 ]; do
  case $1 in
    --features | --profile | --out)
      [ $# -gt 1 ] || { echo "error: $1 needs a value; see the head of $0" >&2; exit 2; }
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) echo "error: $0 does not know $1; see its head" >&2; exit 2 ;;
  esac
done
case $out in
  *.tar.gz | *.tar.xz) ;;
  *) echo "error: --out $out must end in .tar.gz or .tar.xz" >&2; exit 2 ;;
esac
most=$((64 * 1024 * 1024))

# Without -p: it would choose other features of shared crates and build them again. Cargo names the executables on standard error.
cargo build --profile "$profile" --features "$features" --bin routelab
built=$(cargo test --profile "$profile" --features "$features" --lib --no-run 2>&1 | tee /dev/stderr)
golden=$(sed -n 's/.*(\(.*\/routelab_heads-[0-9a-f]*\)).*/\1/p' <<< "$built")
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$(dirname "$out")"
folder=$(dirname "$out")/routelab-device
rm -rf "$folder"
mkdir -p "$folder/scripts" "$folder/experiments/paper" "$folder/datasets"
strip -o "$folder/routelab" "$target/$profile/routelab"
strip -o "$folder/golden" "$golden"
cp scripts/check_device.sh scripts/bench_pytorch.py "$folder/scripts"
cp experiments/paper/main-text.toml "$folder/experiments/paper"
cp -r datasets/routerbench-slice "$folder/datasets"
rm "$folder/datasets/routerbench-slice/minilm.safetensors" # the experiment reads minilm-end.safetensors

# Only libraries that every Linux of this C library has, and those of drivers, which are opened by name while it runs.
if foreign=$(ldd "$folder/routelab" "$folder/golden" | grep '=>' | grep -vE '^\s*(libc|libm|libgcc_s|libdl|libpthread|librt)\.so'); then
  echo "error: the program needs libraries that the other machine may lack:" >&2
  echo "$foreign" >&2
  exit 1
fi
libc=$(objdump -T "$folder/routelab" "$folder/golden" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)

tar --auto-compress -cf "$out" -C "$(dirname "$folder")" routelab-device
size=$(stat -c %s "$out")
echo "$out: $((size / 1024)) KiB for $(uname -m) with ${libc/_/ } or later; features: $features"
if [ "$size" -gt "$most" ]; then
  echo "error: that is more than $((most / 1024)) KiB; take fewer features, --profile release, or --out FILE.tar.xz" >&2
  exit 1
fi
