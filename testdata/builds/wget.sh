# wget (GnuTLS), with a download that is resumed.
wget -nv "$ORIGIN/moved/archive-1.2.3.tar.gz" -O "$OUT/archive-1.2.3.tar.gz"
head -c 100000 "$OUT/archive-1.2.3.tar.gz" > "$OUT/resumed-1.2.3.tar.gz"
wget -nv -c "$ORIGIN/files/resumed-1.2.3.tar.gz" -O "$OUT/resumed-1.2.3.tar.gz"
