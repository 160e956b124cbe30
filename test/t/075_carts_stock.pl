# What is left in carts and how long stock lasts, on a shop's traffic with faults whose truth is known, and against plain SQL
# over the raw rows; the files come in any order, and the server crashes in between.
use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Utils;
use SlmHistory qw(files_below link_object unexpected_in_log wait_until_loaded);
use SlmTest;
use Test::More;

use constant SEED => 7;

my $node = slm_node('carts_stock', conf => "sellometer.database = ''\nsellometer.live_lateness = 30min\nlog_checkpoints = off\n");
my $all = slm_directory($node, 'all');
my $in = slm_directory($node, 'in');
my $other = slm_directory($node, 'other');
my ($truth_file, $stock_file) = map { $node->basedir . "/$_" } qw(truth.jsonl stock.csv);

sub sql { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

traffic($all, '--minutes' => 300, '--rate' => 700, '--servers' => 1, '--products' => 2000, '--seed' => SEED, '--bad' => 0.001,
	'--fault' => 'stock:12,cart_left:40,cart_recovered:40', '--fault-after' => 30, '--truth' => $truth_file, '--inventory' => $stock_file);
my %truth;
for my $line (split(/\n/, slurp_file($truth_file)))
{
	my $said = decode_json($line);

	push @{ $truth{ $said->{fault} } }, $said if defined $said->{fault};
}

# --- loading, in any order; at one time there are parse workers as well ---

srand(SEED);
sql("SELECT sellometer_add_source('shop', 'file://$in/'), sellometer_add_source('other', 'file://$other/')");
my @keys = sort { rand() <=> 0.5 } files_below($all);
for my $wave (1 .. 4)
{
	my @some = splice(@keys, 0, $wave == 4 ? scalar @keys : 75);

	link_object($all, rand() < 0.5 ? $in : $other, $_) foreach (@some);
	sql('CALL sellometer_ingest()');
	sql('CALL sellometer_rollup()') if $wave == 2;
	if ($wave == 3)
	{
		$node->stop('immediate');
		$node->start;
	}
}
wait_until_loaded($node);
oracle_load($node, $in, $other);
oracle_agrees($node, 'minute', 'in any order');
carts_agree($node, 'in any order');

# --- carts against what the generator did ---

sql('CREATE TABLE truth (fault text, user_session text, product_id bigint, user_id bigint, cart_at timestamptz, bought_at timestamptz)');
for my $cart (@{ $truth{cart_left} }, @{ $truth{cart_recovered} })
{
	sql(sprintf(q{INSERT INTO truth VALUES ('%s', '%s', %d, %d, '%s+00', %s)}, @$cart{qw(fault user_session product_id user_id cart_at)},
			defined $cart->{bought_at} ? "'$cart->{bought_at}+00'" : 'NULL'));
}
is(sql(q{SELECT t.fault, count(*) FROM truth t GROUP BY 1 ORDER BY 1}), "cart_left|40\ncart_recovered|40", 'carts of either kind');
is(sql(q{
		SELECT t.* FROM truth t LEFT JOIN sellometer.left_in_cart l USING (user_session, product_id), sellometer.state s
		WHERE t.fault = 'cart_left' AND t.cart_at <= s.head - interval '1 hour' AND (l.user_id, l.since) IS DISTINCT FROM (t.user_id, t.cart_at)}),
	'', 'what was left is left');
cmp_ok(sql(q{SELECT count(*) FROM truth JOIN sellometer.left_in_cart USING (user_session, product_id)}), '>', 20, 'that are some');
is(sql(q{
		SELECT t.fault, c.state FROM truth t LEFT JOIN sellometer.cart_states c USING (user_session, product_id)
		WHERE t.fault = 'cart_recovered' AND c.state IS DISTINCT FROM CASE WHEN bought_at - t.cart_at >= interval '1 hour' THEN 'recovered' ELSE 'bought' END}),
	'', 'what was bought after all is recovered');
is(sql(q{SELECT sellometer.cart_timeout(), sellometer.cart_retention()}), '01:00:00|72:00:00', 'settings that were not made');

# Each cart is given out once, whatever callers do at the same time
{
	my ($one, $two) = map { $node->background_psql('shop') } 1 .. 2;
	my $take = q{SELECT user_session, product_id FROM sellometer_remind(10, '1 day');};

	$one->query_safe('BEGIN');
	my $first = $one->query_safe($take);
	$two->query_until(qr/asked/, "\\echo asked\n$take\n\\echo got\n");
	wait_until($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%sellometer_remind%'});
	$one->query_safe('COMMIT');
	my $second = $two->query_until(qr/got/, "\n");
	my %seen;

	$seen{$_}++ foreach (grep { /\|/ } split(/\n/, "$first\n$second"));
	while ((my $more = sql($take)) ne '')
	{
		$seen{$_}++ foreach (split(/\n/, $more));
	}
	$one->quit;
	$two->quit;
	is(join(' ', grep { $seen{$_} > 1 } sort keys %seen), '', 'no cart is given out twice');
	is(scalar(keys %seen), sql('SELECT count(*) FROM sellometer.left_in_cart'), 'and all are');
}

# --- stock against plain SQL over the raw rows ---

sql(qq{COPY sellometer.inventory FROM '$stock_file' (FORMAT csv, HEADER)});
# for many more products: of full minutes, of some minutes in between; a product that was never sold
sql(q{
	INSERT INTO sellometer.inventory SELECT product_id, 1 + (n + sold) % 97, first + interval '1 minute' * (n % 200), interval '1 minute' * (30 + n % 600)
	FROM (SELECT product_id, row_number() OVER (ORDER BY product_id) AS n, count(*) AS sold, min(date_trunc('minute', t)) AS first
		FROM oracle.counted WHERE event_type = 'purchase' GROUP BY 1) p
	ON CONFLICT DO NOTHING});
sql(q{INSERT INTO sellometer.inventory VALUES (1, 0, '2019-10-01', '10 years'), (2, 5, '2019-10-01', '10 years')});
sql('CALL sellometer_detect()');
sql(q{
	CREATE TABLE expected AS
	SELECT i.*, p.sold, p.recent, p.recent / extract(epoch FROM s.head - d.first) * 3600 AS hourly,
		greatest(i.stock - p.sold, 0) / (p.recent / extract(epoch FROM s.head - d.first)) AS cover
	FROM sellometer.inventory i
	JOIN (SELECT i.product_id, count(*) FILTER (WHERE t >= as_of) AS sold, count(*) AS recent
		FROM sellometer.inventory i JOIN oracle.counted c ON c.product_id = i.product_id AND event_type = 'purchase' GROUP BY 1) p USING (product_id),
		sellometer.state s, (SELECT min(t) AS first FROM oracle.counted) d});
cmp_ok(sql('SELECT count(*) FROM expected'), '>', 500, 'products with sales');
is(sql(q{SELECT e.product_id, e.sold, c.sold FROM expected e LEFT JOIN sellometer.inventory_cover c USING (product_id)
		WHERE c.sold IS DISTINCT FROM e.sold}),
	'', 'what was sold since is exact');
is(sql(q{SELECT e.*, c.* FROM expected e JOIN sellometer.inventory_cover c USING (product_id)
		WHERE abs(extract(epoch FROM c.cover) - e.cover) > 0.1 * e.cover}),
	'', 'how long it lasts is within a tenth');
is(sql(q{WITH p AS (SELECT array_agg(product_id) AS products, timestamptz '2019-10-01 02:00+00' AS f FROM sellometer.inventory),
		one AS (SELECT s.* FROM p, sellometer.stock_sold_of_few(products, f) s), many AS (SELECT s.* FROM p, sellometer.stock_sold_of_many(products, f) s)
		SELECT count(*) FROM ((SELECT * FROM one EXCEPT SELECT * FROM many) UNION ALL (SELECT * FROM many EXCEPT SELECT * FROM one)) d}),
	'0', 'many products at once come to the same');
cmp_ok(sql(q{SELECT count(*) FROM sellometer.stock_sold_of_many(ARRAY(SELECT product_id FROM sellometer.inventory), '2019-10-01 02:00+00') WHERE sold > 0}),
	'>', 100, 'and are not none');
# two sales within some hours tell no rate
my $low = sql(q{SELECT product_id FROM expected WHERE cover < 0.9 * extract(epoch FROM lead_time) AND (recent > 2 OR sold >= stock) ORDER BY 1});
cmp_ok(scalar(split(/\n/, $low)), '>', 20, 'some are low');
is(sql(q{SELECT e.product_id FROM expected e JOIN sellometer.alerts a ON a.key = e.product_id::text AND a.kind = 'low_inventory' AND closed_at IS NULL
		WHERE e.cover < 0.9 * extract(epoch FROM e.lead_time) AND (e.recent > 2 OR e.sold >= e.stock) ORDER BY 1}),
	$low, 'all that are low have an alert');
is(sql(q{SELECT key FROM sellometer.alerts WHERE kind = 'low_inventory' AND closed_at IS NULL AND key NOT IN (
		SELECT product_id::text FROM expected WHERE cover < 1.1 * extract(epoch FROM lead_time))}),
	'', 'and no other, none without sales above all');
is(sql(q{SELECT e.product_id FROM expected e JOIN sellometer.alerts a ON a.key = e.product_id::text AND a.kind = 'low_inventory' AND closed_at IS NULL
		WHERE e.recent <= 2 AND e.sold < e.stock}), '', 'nor of a rate that is made of one or two');
is(join(' ', grep { sql("SELECT count(*) FROM sellometer.low_inventory WHERE product_id = $_->{product_id} AND stock_left = 0") == 0 } @{ $truth{sold_out} }),
	'', 'what the generator sold out has nothing left');
cmp_ok(scalar @{ $truth{sold_out} }, '>', 0, 'of which there is some');

# Stock is raised; others go on
sql(q{UPDATE sellometer.inventory SET stock = stock + 100000 WHERE product_id IN (SELECT product_id FROM expected WHERE stock > sold)});
sql('CALL sellometer_detect()');
is(sql(q{SELECT count(*) FROM sellometer.alerts a JOIN expected e ON e.product_id::text = a.key
		WHERE kind = 'low_inventory' AND closed_at IS NULL AND e.stock > e.sold}),
	'0', 'alerts close when stock is raised');
# A late file sells one of these out
my $product = sql(q{SELECT product_id FROM expected WHERE stock > sold AND as_of < '2019-10-01 03:00+00' ORDER BY product_id LIMIT 1});
sql("UPDATE sellometer.inventory i SET stock = e.stock FROM expected e WHERE e.product_id = i.product_id AND i.product_id = $product");
write_object($in, '2019-10-01-03-00-late.csv', csv(map { event(event_time => '2019-10-01 03:00:00', event_type => 'purchase', product_id => $product) } 1 .. 100));
wait_until_loaded($node);
sql('CALL sellometer_detect()');
is(sql("SELECT stock_left = stock - sold AND stock_left < 0 FROM sellometer.low_inventory WHERE product_id = $product"), 't', 'late purchases count');

is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
