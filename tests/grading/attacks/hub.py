"""A server that stands for the Hub's API and for the rest of the world: who calls it has got out.

>>> with Hub("secret") as hub:
...     _ = socket.create_connection(hub.address).sendall(b"GET /mark-x HTTP/1.0\\r\\n\\r\\n")
"""
