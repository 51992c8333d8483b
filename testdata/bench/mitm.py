# What people write for mitmproxy: answers from files, and files from answers.
import hashlib
import os

from mitmproxy import http

files = os.environ["BENCH_FILES"]
os.makedirs(files, exist_ok=True)


def name(flow):
    return os.path.join(files, hashlib.sha256(flow.request.pretty_url.encode()).hexdigest())


def request(flow):
    try:
        with open(name(flow), "rb") as f:
            flow.response = http.Response.make(200, f.read(), {"Content-Type": "application/gzip"})
    except FileNotFoundError:
        pass


def response(flow):
    if flow.response.status_code == 200 and not os.path.exists(name(flow)):
        with open(name(flow) + ".part", "wb") as f:
            f.write(flow.response.content)
        os.rename(name(flow) + ".part", name(flow))
