# client: aiohttp
# family: Python
# looks: as urllib
# given: the merged bundle; SSL_CERT_FILE
install() { pip_install aiohttp aiohttp; }
version() { py aiohttp -c 'import aiohttp; print(aiohttp.__version__)'; }
get() {
  py aiohttp -c "
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as s, s.get('$ORIGIN/files/aiohttp') as r:
        print(await r.text())
asyncio.run(main())"
}
