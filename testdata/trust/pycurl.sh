# client: pycurl wheel (its own libcurl)
# family: Python
# looks: what its build found
# given: the merged bundle
install() { pip_install pycurl pycurl; }
version() { py pycurl -c 'import pycurl; print(pycurl.version)'; }
get() {
  py pycurl -c "
import pycurl, io
b = io.BytesIO(); c = pycurl.Curl(); c.setopt(c.URL, '$ORIGIN/files/pycurl'); c.setopt(c.WRITEDATA, b); c.perform(); print(b.getvalue())"
}
