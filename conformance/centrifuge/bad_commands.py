"""Commands that no SDK would send."""
def all_of_them():
    return []
