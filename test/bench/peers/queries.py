"""What dashboards ask, by Sellometer's functions and in SQL over the peers' tables.  {from} and {to}: times in UTC; {seconds}: the width of
a bucket; {product} and {brand}: a key that is there.  Columns are the same, their order too."""

IN_RANGE = "event_time >= '{from}' AND event_time < '{to}'"


def series(dimension, event, key=None):
    """Some rows of a table in buckets of time."""
    where = f"WHERE event_type = '{event}' AND {IN_RANGE}" + (f' AND {dimension} = {key}' if key else '')
    return {
        'sellometer': f"""SELECT extract(epoch FROM event_time)::bigint, count, gmv FROM sellometer_series('{dimension}', '{event}',
            {key or 'NULL'}, '{{from}}+00', '{{to}}+00', '{{seconds}} seconds') WHERE count > 0 ORDER BY 1""",
        'duckdb': f"""SELECT epoch(time_bucket(INTERVAL {{seconds}} SECONDS, event_time))::BIGINT AS bucket, sum(count), sum(gmv)
            FROM {dimension}_minute {where} GROUP BY bucket ORDER BY bucket""",
        'clickhouse': f"""SELECT toUnixTimestamp(toStartOfInterval(event_time, INTERVAL {{seconds}} SECOND)) AS bucket, sum(count), sum(gmv)
            FROM shop.{dimension}_minute {where} GROUP BY bucket ORDER BY bucket""",
    }


def top(dimension, event, by):
    """The best ten keys."""
    first, second = ('g', 'c') if by == 'gmv' else ('c', 'g')

    def plain(schema):
        return f"""SELECT {dimension}, sum(gmv) AS g, sum(count) AS c FROM {schema}{dimension}_minute WHERE event_type = '{event}' AND {IN_RANGE}
            GROUP BY {dimension} ORDER BY {first} DESC, {second} DESC, {dimension} LIMIT 10"""

    return {
        'sellometer': f"SELECT key, gmv, count FROM sellometer_top('{dimension}', '{event}', '{{from}}+00', '{{to}}+00', 10, '{by}')",
        'duckdb': plain(''),
        'clickhouse': plain('shop.'),
        'plain': plain('sellometer.').replace('{from}', '{from}+00').replace('{to}', '{to}+00'),
    }


def total(table):
    return f"SELECT sum(count), sum(gmv) FROM {table} WHERE event_type = 'purchase' AND {IN_RANGE}"


def by_plain_sql(query):
    return {**query, 'sellometer': query['plain']}


QUERIES = {
    'GMV and purchases': {
        'sellometer': "SELECT count, gmv FROM sellometer_total('purchase', '{from}+00', '{to}+00')",
        'duckdb': total('category_l1_minute'),
        'clickhouse': total('shop.category_l1_minute'),
    },
    'GMV over time': series('category_l1', 'purchase'),
    'views over time': series('category_l1', 'view'),
    'one product over time': series('product_id', 'view', "'{product}'"),
    'one brand over time': series('brand', 'purchase', "'{brand}'"),
    'top 10 products by GMV': top('product_id', 'purchase', 'gmv'),
    'top 10 products by views': top('product_id', 'view', 'count'),
    'top 10 brands by GMV': top('brand', 'purchase', 'gmv'),
    'top 10 categories by views': top('category_l2', 'view', 'count'),
    'top 10 products by GMV, plain SQL': by_plain_sql(top('product_id', 'purchase', 'gmv')),
    'top 10 products by views, plain SQL': by_plain_sql(top('product_id', 'view', 'count')),
}
