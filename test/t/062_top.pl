# sellometer_top() and movers find by segments what adding up all rows gives, also when late data has changed the buckets since, and when segments are
# missing; and sellometer_top_of() what adding up those of some brands and categories gives.  Also of dimensions of one's own, those added, filled or dropped later among them.
# SLM_SEEDS: the seed of two of the ranges (default 1).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('top', conf => "sellometer.live_lateness = '5min'\n");
my $seed = $ENV{SLM_SEEDS} // 1;
srand($seed);
my @drawn = map { my $from = int(rand(340)); sprintf("('%d min', '%d min')", $from, $from + 1 + int(rand(359 - $from))) } 1 .. 2;
note("seed $seed: @drawn");
my $dir = slm_directory($node, 'in');
my $late = slm_directory($node, 'late');

# Six hours; one file in fifteen is late
run_log([ slm_root() . '/test/traffic/traffic', 'generate', '--out' => $dir, qw(--minutes 360 --rate 300 --servers 2 --products 3000 --brands 700 --quiet),
		'--start' => '2019-10-01 00:00:00' ]) or die 'no traffic';
my @files = sort glob("$dir/*.csv");
for my $i (grep { $_ % 15 == 7 && $_ < $#files - 60 } 0 .. $#files)
{
	rename($files[$i], $late . substr($files[$i], length $dir)) or die "can't move: $!";
}
$node->safe_psql('shop', qq{
	-- few keys, many, and more than there may be
	SELECT sellometer_add_dimension('server', of => 'key', pattern => '-([0-9]+)[.]csv'), sellometer_add_dimension('visitor', 'user_id'),
		sellometer_add_dimension('session', 'user_session', max_keys => 100);
	SELECT sellometer_add_source('shop', 'file://$dir/');
	CREATE FUNCTION tried() RETURNS SETOF text LANGUAGE sql AS \$\$ SELECT unnest(ARRAY['product_id', 'brand', 'category_l2']) UNION ALL SELECT dimension FROM sellometer.dimensions \$\$;
	CREATE TABLE ranges AS SELECT timestamptz '2019-10-01 00:00+00' + f AS f, timestamptz '2019-10-01 00:00+00' + t AS t
	FROM (VALUES (interval '0', interval '6 h'), ('10 min', '5 h 20 min'), ('1 h', '4 h'), ('2 h 30 min', '3 h 15 min'), $drawn[0], $drawn[1]) v (f, t);

	-- what adding up all minutes gives
	CREATE FUNCTION plain_top(dimension text, event text, f timestamptz, t timestamptz, n integer, by text)
	RETURNS TABLE (key text, gmv numeric, count bigint) LANGUAGE plpgsql AS \$\$
	BEGIN
		RETURN QUERY EXECUTE format('SELECT k::text, trim_scale(g), c FROM (SELECT %1\$I AS k, sum(gmv) AS g, sum(count) AS c FROM sellometer.%2\$I
			WHERE event_type = %3\$L AND event_time >= %4\$L AND event_time < %5\$L GROUP BY 1) x ORDER BY %6\$s, k LIMIT %7\$s',
			dimension, dimension || '_minute', event, f, t, CASE by WHEN 'gmv' THEN 'g DESC, c DESC' ELSE 'c DESC, g DESC' END, n);
	END \$\$;
	-- cases in all, wrong
	CREATE FUNCTION try_all(OUT cases integer, OUT wrong text) LANGUAGE plpgsql AS \$\$
	DECLARE
		c record;
		right_one text;
		found text;
	BEGIN
		cases := 0;
		FOR c IN SELECT * FROM ranges, tried() AS d (dimension),
				unnest(ARRAY['purchase', 'view']) AS e (e), unnest(ARRAY['gmv', 'count']) AS m (measure),
				unnest(ARRAY[1, 10]) AS n (n) LOOP
			cases := cases + 1;
			right_one := (SELECT string_agg(x::text, ' ') FROM plain_top(c.dimension, c.e, c.f, c.t, c.n, c.measure) x);
			found := (SELECT string_agg(x::text, ' ') FROM (SELECT key, trim_scale(gmv), count FROM sellometer_top(c.dimension, c.e, c.f, c.t, c.n, c.measure)) x);
			IF found IS DISTINCT FROM right_one THEN
				wrong := format('%s: %s, not %s', c, found, right_one);
			END IF;
		END LOOP;
	END \$\$;
});

$node->safe_psql('shop', q{
	-- what differs most between the halves of a range: cases in all, wrong
	CREATE FUNCTION try_movers(OUT cases integer, OUT wrong text) LANGUAGE plpgsql AS $$
	DECLARE
		c record;
		right_one text;
		found text;
	BEGIN
		cases := 0;
		FOR c IN SELECT f, date_trunc('minute', f + (t - f) / 2) AS half, t, d, e, m, n FROM ranges, tried() d, unnest(ARRAY['purchase', 'view']) e,
				unnest(ARRAY['gmv', 'count']) m, unnest(ARRAY[1, 12, 150]) n WHERE n = 12 OR d NOT IN (SELECT dimension FROM sellometer.dimensions) LOOP
			cases := cases + 1;
			EXECUTE format('SELECT string_agg(format(''%%s %%s %%s'', k, a, b), '' '' ORDER BY i) FROM (SELECT *, row_number() OVER (ORDER BY abs(a - b) DESC, k::text COLLATE "C") AS i
				FROM (SELECT %1$I AS k, coalesce(sum(%2$I) FILTER (WHERE event_time >= %3$L), 0)::numeric(30, 4) AS a, coalesce(sum(%2$I) FILTER (WHERE event_time < %3$L), 0)::numeric(30, 4) AS b
					FROM sellometer.%4$I WHERE event_type = %5$L AND event_time >= %6$L AND event_time < %7$L GROUP BY 1) x WHERE a <> b) y WHERE i <= %8$s',
				c.d, c.m, c.half, c.d || '_minute', c.e, c.f, c.t, c.n) INTO right_one;
			found := (SELECT string_agg(format('%s %s %s', key, CASE c.m WHEN 'gmv' THEN gmv ELSE count END::numeric(30, 4),
				CASE c.m WHEN 'gmv' THEN earlier_gmv ELSE earlier_count END::numeric(30, 4)), ' ') FROM sellometer.movers(c.d, c.e, c.half, c.t, c.f, c.half, c.n, c.m));
			IF found IS DISTINCT FROM right_one THEN
				wrong := format('%s: %s, not %s', c, found, right_one);
			END IF;
		END LOOP;
	END $$;
	-- the best of some brands and categories: cases in all, wrong.  Of a brand in a category by what its products were last sold under.
	CREATE FUNCTION try_chosen(OUT cases integer, OUT wrong text) LANGUAGE plpgsql AS $$
	DECLARE
		c record;
		right_one text;
		found text;
	BEGIN
		cases := 0;
		PERFORM sellometer.fold_offers();
		CREATE TEMP TABLE labels ON COMMIT DROP AS SELECT DISTINCT ON (product_id) product_id, brand, category AS l3, split_part(category, '.', 1) AS l1,
			split_part(category, '.', 1) || '.' || split_part(category, '.', 2) AS l2
			FROM sellometer.sold_products ORDER BY product_id, last_sold DESC, sales DESC, category;
		FOR c IN SELECT f, t, d, e, m, brands, categories, CASE WHEN d = 'brand' AND categories = '{}' THEN 'SELECT brand AS k, '''' AS l1, '''' AS l2, '''' AS l3, r.* FROM sellometer.brand_minute r'
					WHEN d LIKE 'category%' AND brands = '{}' THEN 'SELECT *, l' || right(d, 1) || ' AS k FROM (SELECT '''' AS brand, r.*, split_part(category_l3, ''.'', 1) AS l1,
						split_part(category_l3, ''.'', 1) || ''.'' || split_part(category_l3, ''.'', 2) AS l2, category_l3 AS l3 FROM sellometer.category_l3_minute r) r'
					ELSE format('SELECT %s AS k, l.brand, l1, l2, l3, event_time, event_type, gmv, count FROM sellometer.product_id_minute r JOIN labels l USING (product_id)',
						CASE d WHEN 'product_id' THEN 'product_id' WHEN 'brand' THEN 'l.brand' ELSE 'l' || right(d, 1) END) END AS rows
				FROM ranges, unnest(ARRAY['product_id', 'brand', 'category_l1', 'category_l2', 'category_l3']) d, unnest(ARRAY['purchase', 'view']) e, unnest(ARRAY['gmv', 'count']) m,
					(SELECT array_agg(key) FROM sellometer_top('brand', 'purchase', '2019-10-01', '2019-10-02', 3)) b (best),
					(SELECT ARRAY[(SELECT key FROM sellometer_top('category_l1', 'purchase', '2019-10-01', '2019-10-02', 1)), (SELECT min(l2) FROM labels), (SELECT max(l3) FROM labels)]) g (given),
					LATERAL (VALUES (b.best, '{}'::text[]), ('{}', g.given), (b.best, g.given), (b.best, g.given[2:]), ('{}', g.given[3:]), ('{none}', '{}')) v (brands, categories) LOOP
			cases := cases + 1;
			EXECUTE format('SELECT string_agg(x::text, '' '') FROM (SELECT k::text, trim_scale(sum(gmv)) AS g, sum(count) AS c FROM (%s) r
				WHERE event_type = %L AND event_time >= %L AND event_time < %L AND (%L = ''{}'' OR brand = ANY (%5$L)) AND (%L = ''{}'' OR l1 = ANY (%6$L) OR l2 = ANY (%6$L) OR l3 = ANY (%6$L))
				GROUP BY r.k ORDER BY %s, r.k LIMIT 10) x', c.rows, c.e, c.f, c.t, c.brands, c.categories, CASE c.m WHEN 'gmv' THEN 'g DESC, c DESC' ELSE 'c DESC, g DESC' END) INTO right_one;
			found := (SELECT string_agg(x::text, ' ') FROM (SELECT key, trim_scale(gmv), count FROM sellometer_top_of(c.d, c.e, c.brands, c.categories, c.f, c.t, 10, c.m)) x);
			IF found IS DISTINCT FROM right_one THEN
				wrong := format('%s %s %s %s %s: %s, not %s', c.d, c.e, c.m, c.brands, c.categories, found, right_one);
			END IF;
		END LOOP;
	END $$;
});

# How many buckets, by type, have no whole chain of segments: of the five dimensions together, or of one of one's own.
my $without = q{SELECT (SELECT count(*) FROM sellometer.totals x WHERE x.changes IS DISTINCT FROM (SELECT sum(s.upto - s.since) FROM sellometer.segments s
	WHERE s.tier = x.tier AND s.event_type = x.event_type AND s.event_time = x.event_time AND NOT s.whole AND s.made = x.made AND s.upto <= x.changes))
	+ (SELECT count(*) FROM sellometer.totals x, sellometer.dimensions d WHERE x.changes IS DISTINCT FROM (SELECT sum(s.upto - s.since) FROM sellometer.dimension_segments s
	WHERE s.dimension_id = d.id AND s.tier = x.tier AND s.event_type = x.event_type AND s.event_time = x.event_time AND NOT s.whole AND s.made = x.made AND s.upto <= x.changes))};

sub try_all
{
	my ($when, $missing, $dimensions_alone) = @_;
	my ($cases, $wrong) = split(/\|/, $node->safe_psql('shop', 'SELECT * FROM try_all()'));

	is($node->safe_psql('shop', $without), $missing, "$when: so many buckets are without segments") if defined $missing;
	is($wrong // '', '', "$when: all $cases are right");
	my ($movers, $wrong_movers) = split(/\|/, $node->safe_psql('shop', 'SELECT * FROM try_movers()'));
	is($wrong_movers // '', '', "$when: all movers of $movers ranges are right");
	if (!$dimensions_alone)
	{
		my ($chosen, $wrong_chosen) = split(/\|/, $node->safe_psql('shop', 'SELECT * FROM try_chosen()'));
		is($wrong_chosen // '', '', "$when: all $chosen of chosen brands and categories are right");
	}
	is($node->safe_psql('shop', q{SELECT string_agg(name || ': ' || detail, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks|pg_cron)'}), '',
		"$when: all adds up");
	return;
}

my $count = () = glob("$dir/*.csv");
wait_until($node, "SELECT count(*) = $count FROM sellometer.objects WHERE state = 'done'");
try_all('before the first rollup', 0);
my $longest = $node->safe_psql('shop', 'SELECT max(n) FROM (SELECT count(*) AS n FROM sellometer.segments GROUP BY tier, event_type, event_time) s');
$node->safe_psql('shop', 'CALL sellometer_rollup()');
is($node->safe_psql('shop', q{SELECT string_agg(DISTINCT event_time::time::text, ' ') FROM sellometer.segments WHERE tier = 'hour'}),
	'00:00:00 01:00:00 02:00:00 03:00:00 04:00:00', 'each hour that is rolled up has segments');
cmp_ok($node->safe_psql('shop', 'SELECT max(n) FROM (SELECT count(*) AS n FROM sellometer.segments GROUP BY tier, event_type, event_time) s'), '<=', 4,
	"a minute has few, of $longest at most before");
try_all('after it', 0);

# One that nobody knew is the best now.  Another loses its only view, which moves.
write_object($dir, '2019-10-01-02-40-9.csv', csv(
		map { event(event_time => '2019-10-01 02:40:00', event_type => $_, product_id => 99999999, brand => 'newcomer', category_code => 'new.comer',
				price => '9000000') } qw(purchase view cart)));
rename("$late/$_", "$dir/$_") or die "can't move: $!" foreach (map { s{.*/}{}r } glob("$late/*.csv"));
wait_until($node, q{SELECT count(*) > 40 FROM sellometer.objects WHERE state = 'backlog'});
$node->safe_psql('shop', 'CALL sellometer_merge_backlog()');
is($node->safe_psql('shop', q{SELECT key FROM sellometer_top('product_id', 'view', '2019-10-01 01:00+00', '2019-10-01 04:00+00', 1)}), '99999999',
	'one that was not known before is found');
try_all('after late files', 0);
$node->safe_psql('shop', 'CALL sellometer_rollup()');
try_all('after the next rollup', 0);

# A view moves to another product's minute, and the sums of the minute stay what they were
write_object($dir, '2019-10-01-05-57-7.csv', csv(event(event_time => '2019-10-01 05:57:30', product_id => 71, user_session => 'wanders', price => '5'),
		event(event_time => '2019-10-01 05:57:10', product_id => 72, user_session => 'stays', price => '5')));
wait_until($node, q{SELECT state = 'done' FROM sellometer.objects WHERE key = '2019-10-01-05-57-7.csv'});
write_object($dir, '2019-10-01-05-57-8.csv', csv(event(event_time => '2019-10-01 05:57:05', product_id => 71, brand => 'moved', user_session => 'wanders', price => '5')));
wait_until($node, q{SELECT state = 'done' FROM sellometer.objects WHERE key = '2019-10-01-05-57-8.csv'});
is($node->safe_psql('shop', q{SELECT key, count FROM sellometer.sums('brand', 'view', '2019-10-01 05:57+00', '2019-10-01 05:58+00', ARRAY['moved'], 'gmv', 3)}), 'moved|1',
	'what has moved within a minute is found under its new name');
try_all('after a move', 0);

# Segments that are missing: rows tell, until there are new ones
srand(12);
foreach my $share (0.02, 0.5, 1)
{
	my $gone = $node->safe_psql('shop', join(' + ', map { "(SELECT count(*) FROM gone_$_)" } qw(segments dimension_segments)) =~ s/^/'WITH ' . join(', ', map {
			"gone_$_ AS (DELETE FROM sellometer.$_ s WHERE hashtext(s::text || $share) % 1000 < ($share - 0.5) * 2000 OR $share = 1 OR (whole AND $share > 0.1) RETURNING 1)"
		} qw(segments dimension_segments)) . ' SELECT '/er);
	cmp_ok($gone, '>', 0, "$gone segments are gone");
	cmp_ok($node->safe_psql('shop', $without), '>', 0, 'and are missing');
	try_all("without $share of the segments");
	$node->safe_psql('shop', 'CALL sellometer_rollup()');
	try_all("with new ones for $share of them", 0);
}
is($node->safe_psql('shop', q{SELECT count(*) FROM sellometer.segments s JOIN (SELECT DISTINCT tier, event_type, event_time FROM sellometer.totals) x USING (tier, event_type, event_time)
	WHERE s.tier = 'minute'}), $node->safe_psql('shop', q{SELECT count(*) FROM sellometer.totals WHERE tier = 'minute'}), 'new ones are one a bucket and type');
like($node->psql('shop', q{BEGIN; UPDATE sellometer.segments SET product_id = '\xff' WHERE event_type = 'view' AND NOT whole; DELETE FROM sellometer.segments WHERE whole;
	SELECT * FROM sellometer_top('product_id', 'view', '2019-10-01 01:00+00', '2019-10-01 04:00+00', 1)}, stderr => \my $stderr), qr/^[13]$/, 'bytes that are no segment are an error');
like($stderr, qr/sellometer.segments has bytes that are no segment/, 'that says so');

# Of all products at once, read side by side, and of these by name, one segment after the other: the same, also where products don't ascend
my $both_ways = q{SELECT (SELECT count(*) FROM open), count(*) FROM ((TABLE open EXCEPT ALL TABLE named) UNION ALL (TABLE named EXCEPT ALL TABLE open)) x};
foreach my $bytes ('', q{\xc801029003bd01029003be01029003})
{
	foreach my $type (qw(view purchase))
	{
		my ($found, $differ) = split(/\|/, ($node->psql('shop', qq{BEGIN;
			UPDATE sellometer.segments SET product_id = CASE WHEN hashtext(event_time::text) % 2 = 0 THEN '$bytes' || product_id ELSE product_id || '$bytes' END WHERE hashtext(event_time::text) % 3 = 0;
			CREATE TEMP TABLE open AS SELECT * FROM sellometer.sums('product_id', '$type', '2019-10-01 00:00+00', '2019-10-01 06:00+00', NULL, NULL, NULL);
			CREATE TEMP TABLE named AS SELECT * FROM sellometer.sums('product_id', '$type', '2019-10-01 00:00+00', '2019-10-01 06:00+00', ARRAY(SELECT key FROM open), NULL, NULL);
			$both_ways; ROLLBACK}))[1]);
		cmp_ok($found, '>', 256, "$found products have a $type" . ($bytes eq '' ? '' : ', and some more'));
		is($differ, '0', '... the same both ways');
	}
}

# Tiers come and go, and so do their segments
$node->safe_psql('shop', q{SELECT sellometer_add_tier('two_hours', '2 hours', '1 year'); UPDATE sellometer.tiers SET partition_width = '4 hours' WHERE name = 'two_hours'});
$node->safe_psql('shop', 'CALL sellometer_rollup()');
try_all('with another tier', 0);
cmp_ok($node->safe_psql('shop', 'SELECT count(*) FROM sellometer.segments WHERE whole'), '>', 0, 'partitions have segments of their own');
is($node->safe_psql('shop', 'SELECT count(*) FROM sellometer.dimension_segments WHERE whole'), $node->safe_psql('shop', 'SELECT 3 * count(*) FROM sellometer.segments WHERE whole'), '... of each dimension');
$node->safe_psql('shop', q{SELECT sellometer_drop_tier('two_hours', discard => true)});
is($node->safe_psql('shop', q{SELECT count(*) FROM sellometer.segments WHERE tier = 'two_hours'}), '0', 'no segment of a tier that is gone');
is($node->safe_psql('shop', q{SELECT count(*) FROM sellometer.totals WHERE tier = 'two_hours'}), '0', 'nor totals');
try_all('without it', 0);

# Dimensions come, are filled for the past, and go, and so do their segments
sub load_more
{
	my ($key, $at, @more) = @_;

	write_object($dir, $key, csv(map { event(event_time => $at, event_type => $_, product_id => 5, brand => 'more', price => '7', @more) } qw(purchase view cart)));
	wait_until($node, "SELECT state = 'done' FROM sellometer.objects WHERE key = '$key'");
	return;
}
$node->safe_psql('shop', q{SELECT sellometer_add_dimension('maker', 'brand'), sellometer_add_dimension('way', 'category_code', separator => '.', levels => 2, max_keys => 3)});
load_more('2019-10-01-05-58-21.csv', '2019-10-01 05:58:00');
try_all('with a dimension that is empty', undef, 1);
cmp_ok($node->safe_psql('shop', $without), '>', 0, '... whose segments are missing');
$node->safe_psql('shop', 'CALL sellometer_rollup()');
try_all('with its segments', 0, 1);
load_more('2019-10-01-05-59-22.csv', '2019-10-01 05:59:00');
load_more('2019-10-01-06-04-23.csv', '2019-10-01 06:04:00');
try_all('with what it counts', 0, 1);
$node->safe_psql('shop', q{SELECT sellometer_replay('shop', '2019-10-01 03:00+00', '2019-10-01 05:00+00')});
try_all('after a replay of some time', 0, 1);
$node->safe_psql('shop', q{SELECT sellometer_replay('shop', '2019-10-01 03:00+00', 'infinity')});
is($node->safe_psql('shop', q{SELECT key, count FROM sellometer_top('maker', 'view', '2019-10-01 01:00+00', '2019-10-01 04:00+00', 20, 'count') WHERE key IN ('samsung', 'apple')}),
	$node->safe_psql('shop', q{SELECT key, count FROM sellometer_top('brand', 'view', '2019-10-01 03:00+00', '2019-10-01 04:00+00', 20, 'count') WHERE key IN ('samsung', 'apple')}), 'the past is filled from three on');
try_all('after that', 0, 1);
$node->safe_psql('shop', q{SELECT sellometer_replay('shop', '2019-10-01 00:00+00', 'infinity'); SELECT sellometer_unload('shop', '2019-10-01-05-59-22.csv')});
try_all('filled from the beginning on', 0, 1);
my $dropped = $node->safe_psql('shop', q{SELECT id FROM sellometer.dimensions WHERE dimension = 'visitor'});
$node->safe_psql('shop', q{SELECT sellometer_drop_dimension('visitor')});
is($node->safe_psql('shop', "SELECT count(*) FROM sellometer.dimension_segments WHERE dimension_id = $dropped"), '0', 'no segment of a dimension that is gone');
# who made one while it went leaves such
$node->safe_psql('shop', "INSERT INTO sellometer.dimension_segments (tier, event_type, event_time, whole, dimension_id, since, upto, made, sums)
	SELECT tier, event_type, event_time, whole, $dropped, since, upto, made, sums FROM sellometer.dimension_segments ORDER BY dimension_id, tier, event_time, event_type LIMIT 10");
$node->safe_psql('shop', q{SELECT sellometer_add_dimension('visitor', 'user_id'); SELECT sellometer_replay('shop', '-infinity', 'infinity'); CALL sellometer_rollup()});
is($node->safe_psql('shop', "SELECT count(*) FROM sellometer.dimension_segments WHERE dimension_id = $dropped"), '0', '... nor of one that has been forgotten');
try_all('with one of the same name', 0, 1);

# Partitions that are packed
$node->append_conf('postgresql.conf', "sellometer.pack_after = '1 h'");
$node->reload;
$node->safe_psql('shop', q{CALL sellometer_prune(); CALL sellometer_rollup()});
cmp_ok($node->safe_psql('shop', q{SELECT count(*) FROM pg_class WHERE relkind = 'f' AND relname LIKE 'visitor\_minute%'}), '>', 0, 'partitions are packed');
$node->safe_psql('shop', 'DELETE FROM sellometer.dimension_segments');
try_all('packed, without segments', undef, 1);
$node->safe_psql('shop', 'CALL sellometer_rollup()');
try_all('packed, with segments made of their rows', 0, 1);

$node->stop;
done_testing();
