# The HTTP clients of Python, Node and Java.
url="$ORIGIN/files/archive-1.2.3.tar.gz"
python3 -c 'import sys, urllib.request as r; sys.stdout.buffer.write(r.urlopen(sys.argv[1]).read())' "$url" > "$OUT/python"
node -e 'fetch(process.argv[1]).then(r => r.arrayBuffer()).then(b => process.stdout.write(Buffer.from(b)))' "$url" > "$OUT/node"
node -e 'require("https").get(process.argv[1], r => r.pipe(process.stdout))' "$url" > "$OUT/node-https"
cat > Get.java <<'EOF'
public class Get {
  public static void main(String[] a) throws Exception {
    java.net.URI.create(a[0]).toURL().openStream().transferTo(System.out);
  }
}
EOF
java Get.java "$url" > "$OUT/java"
cd "$OUT" && for f in *; do cmp "$f" python; done
