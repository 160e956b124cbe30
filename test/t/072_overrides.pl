# sellometer.category_overrides against plain SQL over the raw rows: from a time on, in any order of arrival, by parse workers too.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory qw(files_below link_object unexpected_in_log wait_until_loaded);
use SlmTest;
use Test::More;

my $seed = $ENV{SLM_SEEDS} // 5;
my $node = slm_node('overrides', conf => <<'CONF');
log_checkpoints = off
sellometer.poll_interval = 50ms
sellometer.surge_bytes = 1kB
sellometer.max_parse_workers = 2
CONF
my $all = slm_directory($node, 'all');
my $in = slm_directory($node, 'in');

sub sql { my ($sql) = @_; return $node->safe_psql('shop', "SET client_min_messages = warning; $sql"); }

srand($seed);
traffic($all, '--seed' => $seed, '--start' => '2019-10-01 10:00:00', '--minutes' => 90, '--rate' => 400, '--servers' => 2,
	'--products' => 300, '--bad' => 0.01, '--odd' => 0.3, '--session-gap' => 300);

# What is overridden: the categories and products that are there most, at times that are no full minute, one after the other,
# until further notice or not, some both by category and by product.
sql("SELECT sellometer_add_source('shop', 'file://$in/'), sellometer_enable_source('shop', false)");
oracle_load($node, $all);
sql(q{
	CREATE TABLE common AS
	SELECT what, id, row_number() OVER (PARTITION BY what ORDER BY n DESC, id) AS rank FROM (
		SELECT 'product' AS what, oracle.bigint_of(product_id) AS id, count(*) AS n FROM oracle.raw GROUP BY 1, 2
		UNION ALL
		SELECT 'category', oracle.bigint_of(category_id), count(*) FROM oracle.raw GROUP BY 1, 2) c
	WHERE id IS NOT NULL;
	SELECT sellometer_override_category(code, CASE what WHEN 'category' THEN id END, CASE what WHEN 'product' THEN id END, since)
	FROM common JOIN (VALUES
		('category', 1, 'Construction.tools. light', timestamptz '2019-10-01 10:20:30.5+00'), ('category', 1, NULL, '2019-10-01 10:50:01+00'),
		('category', 2, 'one', '-infinity'), ('category', 3, 'a.b.c.d', '2019-10-01 11:00:00+00'), ('category', 3, 'a.b', '2019-10-01 11:10:00+00'),
		('product', 1, 'of.its.own', '2019-10-01 10:40:00+00'), ('product', 2, NULL, '2019-10-01 10:30:00+00'),
		('product', 3, 'first', '2019-10-01 10:10:59+00'), ('product', 3, 'then', '2019-10-01 11:20:59+00')) v (what, rank, code, since) USING (what, rank)});
is(sql('SELECT count(*) FROM sellometer.category_overrides'), 9, 'overrides');

my @keys = sort { rand() <=> 0.5 } files_below($all);
link_object($all, $in, $_) foreach (splice(@keys, 0, @keys / 2));
sql(q{SELECT sellometer_enable_source('shop', true)});
link_object($all, $in, $_) foreach (@keys);
wait_until_loaded($node);
like(slurp_file($node->logfile), qr/parse workers started/, 'parse workers were at it');

# The same in plain SQL: the raw rows say the other code
sql(q{
	UPDATE oracle.raw r SET category_code = coalesce(
		(SELECT code FROM sellometer.category_overrides c
			WHERE c.since <= oracle.time_of(r.event_time) AND c.product_id = oracle.bigint_of(r.product_id) ORDER BY since DESC LIMIT 1),
		(SELECT code FROM sellometer.category_overrides c
			WHERE c.since <= oracle.time_of(r.event_time) AND c.category_id = oracle.bigint_of(r.category_id) ORDER BY since DESC LIMIT 1),
		r.category_code)});
cmp_ok(sql(q{SELECT count(*) FROM oracle.raw WHERE category_code = 'a.b.c.d'}), '>', 5, 'rows that are overridden');
sql('SELECT oracle.build()');
oracle_agrees($node, 'minute', 'with overrides');
is(sql('(SELECT * FROM oracle.diff_offers() LIMIT 10); SELECT FROM sellometer.fold_offers(); SELECT * FROM oracle.diff_sold() LIMIT 10;
		SELECT * FROM oracle.diff_listings() LIMIT 10') =~ s/\n//gr, '', 'offers agree');

is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
