async def check(checks): pass
