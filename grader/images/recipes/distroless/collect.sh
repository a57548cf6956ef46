#!/bin/sh
# Copies Python, the libraries that it loads, and the files that any program expects into a folder of their own.
set -eu
root=$1
python=$(basename "$(readlink -f /usr/bin/python3)")
mkdir -p "$root/tmp" "$root/etc" "$root/root" "$root/home/nonroot" "$root/usr/bin"
chmod 1777 "$root/tmp"
for name in bin lib lib64 sbin; do
    [ -L "/$name" ] && cp -a "/$name" "$root/"
done
{
    echo "/usr/bin/$python"
    echo /usr/bin/python3
    echo /etc/ssl/certs/ca-certificates.crt
    find "/usr/lib/$python" -path '*/test' -prune -o -path '*/__pycache__' -prune -o \( -type f -o -type l \) -print
    find /usr/share/zoneinfo -print 2>/dev/null || true
    for file in "/usr/bin/$python" $(find "/usr/lib/$python" -name '*.so') /usr/lib/*/libgomp.so.1 /usr/lib/*/libstdc++.so.6; do
        [ -e "$file" ] && ldd "$file" 2>/dev/null | awk '{ for (i = 1; i <= NF; i++) if ($i ~ "^/") print $i }'
        case $file in *.so.*) echo "$file" ;; esac
    done
    find /usr/lib -maxdepth 2 -name 'libnss_*' -o -maxdepth 2 -name 'libresolv*'
} | sort -u | while read -r file; do
    [ -e "$file" ] || continue
    real=$(readlink -f "$(dirname "$file")")/$(basename "$file")
    mkdir -p "$root$(dirname "$real")"
    cp -a "$real" "$root$real"
    end=$(readlink -f "$real")
    mkdir -p "$root$(dirname "$end")"
    [ -e "$root$end" ] || cp -a "$end" "$root$end"
done
cp /etc/nsswitch.conf "$root/etc/" 2>/dev/null || true
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' > "$root/etc/group"
