#!/bin/sh
# Rebuilds the subsets in this folder from Debian's package fonts-inter (version 4.0). Needs fonttools.
set -eu
source=${1:-/usr/share/fonts/opentype/inter}
for weight in Regular SemiBold; do
  pyftsubset "$source/Inter-$weight.otf" --output-file="Inter-$weight-subset.otf" \
    --unicodes="U+0020-007E,U+00A0-017F,U+0391-03C9,U+2010-2015,U+2018-201F,U+2020-2022,U+2026,U+2030,U+2032-2033,U+2070-2079,U+207A-207B,U+2080-2089,U+20AC,U+2190-2193,U+2202,U+2206,U+220F,U+2211-2212,U+221A,U+221E,U+222B,U+2248,U+2260,U+2264-2265,U+FFFD" \
    --layout-features='' --no-hinting --desubroutinize --name-IDs='0,1,2,3,4,5,6,13,14'
done
