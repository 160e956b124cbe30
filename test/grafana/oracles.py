"""The oracles, by dashboard and title of what they know the values of."""
ORACLES = {}


def oracle(board, *titles):
    def keep(function):
        for title in titles:
            assert f"{board}.json: {title}" not in ORACLES, title
            ORACLES[f"{board}.json: {title}"] = function
        return function
    return keep
