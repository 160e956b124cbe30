# sellometer_top() finds by the lists of leaders what adding up all rows gives, also when late data has changed the buckets since.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('top', conf => "sellometer.live_lateness = '5min'\n");
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
	SELECT sellometer_add_source('shop', 'file://$dir/');
	CREATE TABLE ranges AS SELECT timestamptz '2019-10-01 00:00+00' + f AS f, timestamptz '2019-10-01 00:00+00' + t AS t
	FROM (VALUES (interval '0', interval '6 h'), ('10 min', '5 h 20 min'), ('1 h', '4 h'), ('2 h 30 min', '3 h 15 min')) v (f, t);

	-- what adding up all minutes gives
	CREATE FUNCTION plain_top(dimension text, event text, f timestamptz, t timestamptz, n integer, by text)
	RETURNS TABLE (key text, gmv numeric, count bigint) LANGUAGE plpgsql AS \$\$
	BEGIN
		RETURN QUERY EXECUTE format('SELECT k::text, trim_scale(g), c FROM (SELECT %1\$I AS k, sum(gmv) AS g, sum(count) AS c FROM sellometer.%2\$I
			WHERE event_type = %3\$L AND event_time >= %4\$L AND event_time < %5\$L GROUP BY 1) x ORDER BY %6\$s, k LIMIT %7\$s',
			dimension, dimension || '_minute', event, f, t, CASE by WHEN 'gmv' THEN 'g DESC, c DESC' ELSE 'c DESC, g DESC' END, n);
	END \$\$;
	-- cases in all, found by leaders, wrong
	CREATE FUNCTION try_all(OUT cases integer, OUT by_leaders integer, OUT wrong text) LANGUAGE plpgsql AS \$\$
	DECLARE
		c record;
		right_one text;
		found text;
	BEGIN
		cases := 0;
		by_leaders := 0;
		FOR c IN SELECT * FROM ranges, unnest(ARRAY['product_id', 'brand', 'category_l2']) AS d (dimension),
				unnest(ARRAY['purchase', 'view']) AS e (e), unnest(ARRAY['gmv', 'count']) AS m (measure),
				unnest(ARRAY[1, 10]) AS n (n) LOOP
			cases := cases + 1;
			right_one := (SELECT string_agg(x::text, ' ') FROM plain_top(c.dimension, c.e, c.f, c.t, c.n, c.measure) x);
			found := (SELECT string_agg(x::text, ' ') FROM (SELECT key, trim_scale(gmv), count FROM sellometer_top(c.dimension, c.e, c.f, c.t, c.n, c.measure)) x);
			IF found IS DISTINCT FROM right_one THEN
				wrong := format('%s: %s, not %s', c, found, right_one);
			END IF;
			IF EXISTS (SELECT FROM sellometer.top_by_leaders(c.dimension, c.e, c.f, c.t, c.n, c.measure)) THEN
				by_leaders := by_leaders + 1;
			END IF;
		END LOOP;
	END \$\$;
});

sub try_all
{
	my ($when, $least) = @_;
	my ($cases, $by_leaders, $wrong) = split(/\|/, $node->safe_psql('shop', 'SELECT * FROM try_all()'));

	is($wrong // '', '', "$when: all $cases are right");
	cmp_ok($by_leaders, '>=', $least * $cases, "$when: $by_leaders of them by leaders");
	is($node->safe_psql('shop', q{SELECT string_agg(name || ': ' || detail, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks|pg_cron)'}), '',
		"$when: all adds up");
	return;
}

my $count = () = glob("$dir/*.csv");
wait_until($node, "SELECT count(*) = $count FROM sellometer.objects WHERE state = 'done'");
try_all('before the first rollup', 0);
$node->safe_psql('shop', 'CALL sellometer_rollup()');
is($node->safe_psql('shop', q{SELECT string_agg(DISTINCT event_time::time::text, ' ') FROM sellometer.leaders}),
	'00:00:00 01:00:00 02:00:00 03:00:00 04:00:00', 'each hour that is rolled up has lists');
try_all('after it', 0.5);

# One that nobody knew is the best now, and lists that were made before don't have it.  Another loses its only view, which moves.
my $lists = $node->safe_psql('shop', 'SELECT md5(string_agg(l::text, chr(10) ORDER BY l::text)) FROM sellometer.leaders l');
write_object($dir, '2019-10-01-02-40-9.csv', csv(
		map { event(event_time => '2019-10-01 02:40:00', event_type => $_, product_id => 99999999, brand => 'newcomer', category_code => 'new.comer',
				price => '9000000') } qw(purchase view cart)));
rename("$late/$_", "$dir/$_") or die "can't move: $!" foreach (map { s{.*/}{}r } glob("$late/*.csv"));
wait_until($node, q{SELECT count(*) > 40 FROM sellometer.objects WHERE state = 'backlog'});
$node->safe_psql('shop', 'CALL sellometer_merge_backlog()');
is($node->safe_psql('shop', q{SELECT key FROM sellometer_top('product_id', 'view', '2019-10-01 01:00+00', '2019-10-01 04:00+00', 1)}), '99999999',
	'one that no list knows is found');
is($node->safe_psql('shop', 'SELECT md5(string_agg(l::text, chr(10) ORDER BY l::text)) FROM sellometer.leaders l'), $lists,
	'the lists are as they were');
try_all('after late files', 0);
$node->safe_psql('shop', 'CALL sellometer_rollup()');
isnt($node->safe_psql('shop', 'SELECT md5(string_agg(l::text, chr(10) ORDER BY l::text)) FROM sellometer.leaders l'), $lists,
	'those that said too little are made anew');
try_all('with new lists', 0.5);

# Tiers come and go, and so do their lists
$node->safe_psql('shop', q{SELECT sellometer_add_tier('two_hours', '2 hours', '1 year')});
$node->safe_psql('shop', 'CALL sellometer_rollup()');
try_all('with another tier', 0.5);
$node->safe_psql('shop', q{SELECT sellometer_drop_tier('two_hours', discard => true)});
is($node->safe_psql('shop', q{SELECT count(*) FROM sellometer.leaders WHERE tier = 'two_hours'}), '0', 'no list of a tier that is gone');
is($node->safe_psql('shop', q{SELECT count(*) FROM sellometer.totals WHERE tier = 'two_hours'}), '0', 'nor totals');
try_all('without it', 0.5);

$node->stop;
done_testing();
