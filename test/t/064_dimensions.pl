# Dimensions of one's own: whatever comes of files in any order, of dimensions that are added, dropped and filled meanwhile, of replay, unload, replace and
# archives, and of files and sources that get other names, is what plain SQL makes of the rows that are left; also where a dimension has fewer keys than
# files name, and what is beyond these counts as other.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use File::Basename;
use File::Path qw(make_path);
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $node = slm_node('dimensions', conf => "fsync = off\nlog_checkpoints = off\nsellometer.poll_interval = 50ms\nsellometer.debug_chunk_rows = 300\nsellometer.live_lateness = 10min\n");
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-3') =~ /^(\d+)(?:-(\d+))?$/;

my @COUNTRIES = ('DE', 'FR', 'DE', 'ä', '', '-', ' IT ', 'null', 'other', 'y' x 1100);
# What stands before the name of a file.
my @FOLDERS = ('', '', 'store=12/', 'STORE=12/', 'dt=2019-10-01/store=7/', 'store=7/deep/', 'x_store=1/', 'store/', 'store=/', 'store=a%2Fb/', 'store=%C3%A4%c3%a4/', 'store=%FF/', 'store=%2/',
	'store=5%/', 'store=null/', 'store=__HIVE_DEFAULT_PARTITION__/', 'store=1/store=2/', 'store= 9 /', 'store=a=b/');
my @REGIONS = ('eu/de/be', 'eu/de/by', 'eu/fr', 'eu', '', '/x', 'us/ny/nyc/soho', 'us//x');

# All rows that were written, and the keys that the dimensions must have of them; all else is up to test/oracle/oracle.sql.
my $ORACLE = q{
	SET check_function_bodies = off;
	DROP SCHEMA IF EXISTS o CASCADE;
	CREATE SCHEMA o;
	-- source, object: as they were called when they were counted
	CREATE TABLE o.raw (source text, object text, t timestamptz, type text, product bigint, category text, brand text, price numeric, session text,
		country text, region text);
	CREATE FUNCTION o.part(object text) RETURNS text LANGUAGE sql
		RETURN (SELECT CASE WHEN f LIKE '%\%FF' THEN f WHEN f = '__HIVE_DEFAULT_PARTITION__' THEN '' ELSE replace(replace(replace(f, '%2F', '/'), '%C3%A4', 'ä'), '%c3%a4', 'ä') END
			FROM (SELECT substr(folder, 7) AS f FROM string_to_table(regexp_replace(object, '[^/]*$', ''), '/') WITH ORDINALITY x (folder, n)
				WHERE folder ILIKE 'store=%' ORDER BY n LIMIT 1) x);
	-- the key of a row in a dimension, '': none
	CREATE FUNCTION o.key_of(r o.raw, d sellometer.dimensions) RETURNS text LANGUAGE sql
		RETURN CASE WHEN r.t < d.since THEN '' WHEN d.made_of = 'source' THEN r.source
			ELSE oracle.own_key(CASE WHEN d.pattern = '^([a-z]*)[=-].*-0' THEN substring(r.object FROM '^([a-z]*)[=-].*-0') WHEN d.made_of = 'key' THEN o.part(r.object)
				WHEN d.column_name = 'geo_country' THEN r.country WHEN d.column_name = 'region' THEN r.region WHEN d.column_name = 'Brand' THEN r.brand END, d.separator, d.level, d.empty) END;
	CREATE FUNCTION o.build() RETURNS void LANGUAGE sql AS $$
		TRUNCATE oracle.raw, oracle.object, oracle.own_dimension, oracle.tier;
		SELECT oracle.know_own();
		INSERT INTO oracle.tier SELECT name, granularity FROM sellometer.tiers;
		INSERT INTO oracle.object SELECT DISTINCT source || '/' || object FROM o.raw;
		INSERT INTO oracle.raw SELECT source || '/' || object, row_number() OVER (PARTITION BY source, object), '', to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), type, product, '', category, brand, price,
			'', session, '', '', '', ARRAY(SELECT o.key_of(r, d) FROM sellometer.dimensions d ORDER BY d.id) FROM o.raw r;
		SELECT oracle.build();
	$$;
	CREATE FUNCTION o.wrong_limits() RETURNS TABLE (what text) LANGUAGE sql AS $$
		SELECT format('%s of %s keys of %s, others since %s', l.keys, l.max_keys, l.dimension, l.others_since) FROM sellometer.dimension_limits l
		WHERE l.keys > l.max_keys OR l.others_since IS NOT NULL AND l.keys < l.max_keys OR l.keys_seen < l.keys OR l.others_since IS NULL AND l.other_rows > 0
	$$;
};

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }

# --- objects ---

sub row_of
{
	my ($minute) = @_;
	my %row = (
		t => sprintf('2019-10-01 %02d:%02d:%02d', 8 + $minute / 60, $minute % 60, pick(0, 5, 7, 59)), type => pick('view', 'view', 'view', 'purchase', 'cart'),
		product => pick(1 .. 6), category => pick('a.b', 'a.c'), brand => pick('x', 'y'), price => pick('1.50', '2.00', '2.00'),
		session => pick('', map { "s$_" } 1 .. 5), country => pick(@COUNTRIES), region => pick(@REGIONS));

	# mostly the same, so that own keys decide
	($row{category}, $row{brand}, $row{price}) = ('a.b', 'x', '2.00') if chance(0.7);
	return \%row;
}

# One object of a source: not all have all columns, nor in the same order, nor named in the same way.
sub write_rows
{
	my ($dir, $source, $key, @rows) = @_;
	my @columns = shuffled(qw(event_time event_type product_id category_code brand price user_session), (chance(0.9) ? pick('geo_country', 'Geo_Country') : ()), (chance(0.9) ? 'region' : ()), 'other');
	my %of = (event_time => 't', event_type => 'type', product_id => 'product', category_code => 'category', user_session => 'session', geo_country => 'country');
	my $content = join(',', @columns) . "\n";
	my @values;

	for my $row (@rows)
	{
		$row->{country} = '' if !grep { lc eq 'geo_country' } @columns;
		$row->{region} = '' if !grep { $_ eq 'region' } @columns;
		$content .= join(',', map { my $name = $of{ lc $_ } // $_; $name eq 'other' ? '"q,q"' : $name eq 'region' && chance(0.3) ? "\"$row->{region}\"" : $row->{$name} } @columns) . "\n";
		push @values, sprintf("('%s', '%s', '%s+00', %s)", $source, $key, $row->{t}, join(', ', map { "'$row->{$_}'" } qw(type product category brand price session country region)));
	}
	value("DELETE FROM o.raw WHERE source = '$source' AND object = '$key'; INSERT INTO o.raw VALUES " . join(', ', @values));
	write_object($dir, $key, chance(0.3) ? gzipped($content) : $content);
	return;
}

sub key_of { my ($minute) = @_; return sprintf('%s2019-10-01-%02d-%02d-00-%d.csv', pick(@FOLDERS), 8 + $minute / 60, $minute % 60, pick(1 .. 1000000)); }

# --- judging ---

sub agrees
{
	my ($name, $only_totals) = @_;

	value('CALL sellometer_rollup()') if chance(0.6);
	value('SELECT o.build()');
	is(value(q{SELECT * FROM oracle.diff('minute') WHERE dimension = 'totals' LIMIT 5}), '', "$name: totals agree");
	return if $only_totals;
	is(value("SELECT * FROM oracle.diff('$_', realtime => true) LIMIT 5"), '', "$name: $_ agrees") foreach (split(/\n/, value('SELECT name FROM sellometer.tiers')));
	is(value('SELECT * FROM o.wrong_limits()'), '', "$name: as many keys as there may be");
	is(value("SELECT string_agg(name || ': ' || detail, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects')"),
		'', "$name: sellometer_check() has nothing to say");
	return;
}

# A random key: what the rows behind it come to is what the tier has, and what top says.
sub behind_agrees
{
	my ($name) = @_;

	for my $dimension (split(/\n/, value('SELECT dimension FROM sellometer.dimensions')))
	{
		is(value(qq{SELECT coalesce(sum(count), 0), coalesce(sum(gmv), 0)::numeric(20, 2) FROM sellometer.realtime_${dimension}_minute WHERE $dimension IN ('DE', 'a', '12', 'a/b', 'other')}),
			value(qq{SELECT count(*), coalesce(sum(price), 0) FROM (VALUES ('DE'), ('a'), ('12'), ('a/b'), ('other')) k (k), sellometer_events('$dimension', k, NULL, NULL, NULL) WHERE verdict = 'counted'}), "$name: rows behind $dimension")
			if $dimension =~ /country|shop|store/;
		is(value(qq{SELECT key, count, gmv FROM sellometer_top('$dimension', 'view', '-infinity', 'infinity', 3)}),
			value(qq{SELECT $dimension, sum(count), sum(gmv)::numeric(20, 2) FROM sellometer.realtime_${dimension}_minute WHERE event_type = 'view' GROUP BY 1 ORDER BY sum(gmv) DESC, 2 DESC, 1 LIMIT 3}),
			"$name: top of $dimension");
	}
	return;
}

# --- one history ---

sub add_dimension
{
	my ($what) = @_;
	my %call = (country => q{'country', 'geo_country'}, region => q{'region', separator => '/', levels => 2, empty => '?'}, shop => q{'shop', of => 'source'},
		whole => q{'whole', 'region'}, label => q{'label', 'Brand'},
		store => q{'store', of => 'key'}, branch => q{'branch', 'Store', of => 'key', separator => '/', levels => 2, empty => 'none'}, kind => q{'kind', of => 'key', pattern => '^([a-z]*)[=-].*-0'});

	my $limit = chance(0.5) ? ', max_keys => ' . pick(1, 2, 3, 5) : '';

	note("  add $what$limit");
	value("SELECT sellometer_add_dimension($call{$what}$limit)");
	return;
}

sub load_some
{
	my ($dirs, @minutes) = @_;

	for my $minute (@minutes)
	{
		my $source = pick(sort keys %$dirs);

		write_rows($dirs->{$source}, $source, key_of($minute), map { row_of($minute + pick(0, 0, 1, -3)) } 1 .. pick(5, 40));
		wait_until_loaded($node) if chance(0.2);
		next if !chance(0.05);
		$node->stop('immediate');
		$node->start;
	}
	wait_until_loaded($node);
	return;
}

# An object that is loaded or archived: its source and key, and what these were when it was counted.
sub some_object
{
	my ($state) = @_;

	return split(/\|/, value("SELECT source, key, coalesce(counted_source, source), coalesce(counted_key, key) FROM sellometer.objects WHERE state IN ($state) ORDER BY md5(key || "
			. pick(1 .. 1000) . ') LIMIT 1'));
}

sub forget_rows { my ($source, $key) = @_; value("DELETE FROM o.raw WHERE source = '$source' AND object = '$key'"); return; }

# Files are called otherwise, also in another folder; a source too, and begins elsewhere.
sub rename_some
{
	my ($dirs) = @_;

	for (1 .. 4)
	{
		my ($source, $key) = some_object("'done'");
		my ($name) = $key =~ m{([^/]*)$};
		my $new = pick(@FOLDERS) . $name;

		next if !defined $source || !-e "$dirs->{$source}/$key" || -e "$dirs->{$source}/$new";
		note("  rename $source/$key to $new");
		make_path(dirname("$dirs->{$source}/$new"));
		rename("$dirs->{$source}/$key", "$dirs->{$source}/$new") or die "can't rename $key: $!";
		wait_until($node, "SELECT count(*) > 0 FROM sellometer.objects WHERE source = '$source' AND key = '$new' AND state = 'skipped'");
	}
	# who reads files again finds them
	value("SELECT sellometer_replay('a', '2019-10-01 08:30+00', '2019-10-01 09:00+00')");
	return;
}

sub rename_source
{
	my ($dirs) = @_;
	my $dir = delete $dirs->{b};

	note('  b is called c');
	value("SELECT sellometer_drop_source('b'); SELECT sellometer_add_source('c', 'file://$dir/', archive_url => 'file://' || regexp_replace('$dir', 'in\$', 'out/'))");
	$dirs->{c} = $dir;
	return;
}

sub unload_some
{
	for (1 .. 2)
	{
		my ($source, $key, @counted) = some_object("'done', 'archived'");

		note("  unload $source/$key, counted as $counted[0]/$counted[1]");
		value("SELECT sellometer_unload('$source', '$key')");
		forget_rows(@counted);
	}
	return;
}

sub replace_one
{
	my ($dirs) = @_;
	my ($source, $key, @counted) = some_object("'archived'");
	my ($hour, $minute) = $key =~ /-(\d\d)-(\d\d)-00-/;

	note("  replace $source/$key, counted as $counted[0]/$counted[1]");
	forget_rows(@counted);
	write_rows($dirs->{$source}, $source, $key, map { row_of(($hour - 8) * 60 + $minute + pick(0, 1)) } 1 .. 20);
	wait_until($node, "SELECT count(*) > 0 FROM sellometer.objects WHERE key = '$key' AND state = 'failed'");
	is(value("SELECT sellometer_retry('$source', '$key', replace => true)"), '1', "$key is replaced");
	wait_until_loaded($node);
	return;
}

sub history
{
	my ($seed) = @_;
	my %dirs;

	srand($seed);
	note("seed $seed");
	value("DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer");
	value(slurp_file(slm_root() . '/test/oracle/oracle.sql') . $ORACLE);
	value("ALTER DATABASE shop SET sellometer.fill_pages = " . pick('on', 'off'));
	for my $source (qw(a b))
	{
		my $dir = slm_directory($node, "dimensions_${seed}_$source");

		mkdir "$dir/$_" foreach (qw(in out));
		$dirs{$source} = "$dir/in";
		value("SELECT sellometer_add_source('$source', 'file://$dir/in/', archive_url => 'file://$dir/out/')");
	}
	add_dimension($_) foreach (chance(0.7) ? ('country', 'region') : ('country'));
	load_some(\%dirs, shuffled(map { 2 * $_ } 0 .. 20));
	agrees("seed $seed, loaded");
	add_dimension('shop');
	add_dimension('store') if chance(0.7);
	value("SELECT sellometer_add_tier('part', '30 minutes', '7 days')") if chance(0.5);
	load_some(\%dirs, shuffled(map { 3 * $_ } 5 .. 40));
	agrees("seed $seed, one more");
	rename_some(\%dirs);
	rename_source(\%dirs) if chance(0.5);
	agrees("seed $seed, renamed");
	unload_some();
	agrees("seed $seed, some taken out");
	behind_agrees("seed $seed");

	value('CALL sellometer_rollup(); CALL sellometer_archive()');
	add_dimension($_) foreach (chance(0.5) ? ('whole', 'kind') : ('label', 'branch'));
	load_some(\%dirs, shuffled(map { 4 * $_ } 10 .. 40));
	value("SELECT sellometer_replay('a', '2019-10-01 09:00+00', '2019-10-01 10:00+00')");
	agrees("seed $seed, part of it made anew");
	value("SELECT sellometer_replay('a', '2019-10-01 09:00+00', 'infinity')");
	is(value(q{SELECT count(*) FROM sellometer.dimensions WHERE since > '2019-10-01 09:00+00'}), '0', "seed $seed: dimensions are filled");
	agrees("seed $seed, filled from nine o'clock on");
	unload_some();
	replace_one(\%dirs);
	agrees("seed $seed, some taken out and replaced");
	value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
	is(value(q{SELECT count(*) FROM sellometer.dimensions WHERE since > '-infinity'}), '0', "seed $seed: dimensions are filled from the beginning on");
	agrees("seed $seed, filled");
	behind_agrees("seed $seed, filled");

	value("SELECT sellometer_drop_dimension('country')");
	is(value(q{SELECT count(*) FROM pg_class WHERE relname LIKE '%country%' AND relnamespace = 'sellometer'::regnamespace}), '0', "seed $seed: nothing is left of what was dropped");
	load_some(\%dirs, shuffled(map { 5 * $_ } 10 .. 40));
	add_dimension('country');
	load_some(\%dirs, 100 .. 130, shuffled(0 .. 5));
	unload_some();
	# which of those at one moment counts may have been decided by what was dropped: it is decided anew by a replay
	agrees("seed $seed, dropped and added again", 'only totals');
	value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
	agrees("seed $seed, dropped, added again and made anew");
	return;
}

# The first keys that are counted are admitted and stay so, whatever goes or comes; further ones count as other, and the dimension says so.
sub limited
{
	my $dir = slm_directory($node, 'dimensions_limit');
	my $of = sub { my ($country) = @_; return { t => '2019-10-01 08:00:07', type => 'cart', product => 1, category => 'a.b', brand => 'x', price => '2.00', session => '', country => $country, region => 'eu' } };
	my $load = sub {
		my ($n, @countries) = @_;
		my $key = "2019-10-01-08-00-00-$n.csv";

		write_object($dir, $key, "event_time,event_type,product_id,category_code,brand,price,user_session,geo_country,region\n"
			. join('', map { join(',', @$_{qw(t type product category brand price session country region)}) . "\n" } map { $of->($_) } @countries));
		wait_until($node, "SELECT count(*) > 0 FROM sellometer.objects WHERE key = '$key' AND state = 'done'");
		return;
	};
	my $keys = sub { value(q{SELECT string_agg(geo || ' ' || count, ', ' ORDER BY length(geo), geo) FROM sellometer.geo_minute}) };
	my $limits = sub { value(q{SELECT max_keys, keys, others_since IS NOT NULL, other_rows FROM sellometer.dimension_limits WHERE dimension = 'geo'}) };
	my $health = sub { value(q{SELECT severity, detail FROM sellometer.health WHERE name = 'keys of geo'}) };
	my $at = -s $node->logfile;
	my $warnings = sub { scalar(() = slurp_file($node->logfile, $at) =~ /WARNING:  dimension "geo" has as many keys as it may have/g) };

	value('DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer');
	# what names brands and categories are held to is nothing to these
	$node->append_conf('postgresql.conf', "sellometer.max_object_keys = 2\nsellometer.max_minute_keys = 100\nsellometer.max_dimension_keys = 4");
	$node->reload;
	value("SELECT sellometer_add_dimension('geo', 'geo_country')");
	value("SELECT sellometer_add_source('a', 'file://$dir/')");
	$load->(1, 'DE', 'DE', 'FR', '', 'other');
	is($keys->(), 'DE 2, FR 1, other 1, unknown 1', 'there is room');
	is($limits->(), '4|2|f|0', '... and neither what is empty nor what is called other takes any');
	is($health->(), 'ok|2 of 4', '... as health says');
	$load->(2, 'IT', ('AT') x 3, 'PL', 'PL', 'DE');
	is($keys->(), 'AT 3, DE 3, FR 1, PL 2, other 2, unknown 1', 'of those that come together, those with the most events are admitted');
	is($limits->(), '4|4|t|2', '... and no more than there may be');
	is($health->(), 'info|it has the 4 keys that it may have; some 1 others are counted as other', '... as health says');
	is(value(q{SELECT keys_seen FROM sellometer.dimension_limits}), '5', '... and how many were met');
	$load->(3, map { "k$_" } 1 .. 2000);
	is($keys->(), 'AT 3, DE 3, FR 1, PL 2, other 2002, unknown 1', 'further ones are counted as other');
	is(value('SELECT keys_seen BETWEEN 1800 AND 2200 FROM sellometer.dimension_limits'), 't', '... and about how many there are is known');
	is($warnings->(), 1, 'the log says so once');
	is(value(q{SELECT count(*) FROM sellometer_events('geo', 'IT', NULL, NULL, NULL)}), 0, 'rows of such a key are behind other');
	is(value(q{SELECT count(*) FROM sellometer_events('geo', 'other', NULL, NULL, NULL) WHERE verdict = 'counted'}), 2002, '... all of them');

	value(qq{SELECT sellometer_unload('a', '2019-10-01-08-00-00-$_.csv')}) foreach (2, 3);
	is($keys->(), 'DE 2, FR 1, other 1, unknown 1', 'files that are taken out are taken off where they were counted');
	$load->(4, 'PL', 'IT', 'k1', 'neu');
	is($keys->(), 'DE 2, FR 1, PL 1, other 4, unknown 1', 'what was admitted stays so, and so does what was not');
	value(q{UPDATE sellometer.geo_minute SET geo = 'IT' WHERE geo = 'PL'});
	is(value(q{SELECT ok FROM sellometer_check() WHERE name = 'keys of own dimensions'}), 'f', 'the check can say no');
	value(q{UPDATE sellometer.geo_minute SET geo = 'PL' WHERE geo = 'IT'});
	is(value(q{SELECT ok FROM sellometer_check() WHERE name = 'keys of own dimensions'}), 't', '... and yes');

	value(q{SELECT sellometer_drop_dimension('geo')});
	is(value('SELECT (SELECT count(*) FROM sellometer.dimension_keys) + (SELECT count(*) FROM sellometer.dimension_others)'), 0, 'nothing is left of what was dropped');
	value(q{SELECT sellometer_add_dimension('geo', 'geo_country', max_keys => 1000); SELECT sellometer_replay('a', '-infinity', 'infinity')});
	is($keys->(), 'DE 2, FR 1, IT 1, PL 1, k1 1, neu 1, other 1, unknown 1', 'with more it is filled anew');
	for my $wrong (0, 1000001)
	{
		$node->psql('shop', "SELECT sellometer_add_dimension('more', max_keys => $wrong)", stderr => \my $error);
		like($error, qr/max_keys must be between 1 and 1000000/, "it can't have $wrong keys");
	}
	return;
}

history($_) foreach ($first .. $last // $first);
limited();
is(join("\n", unexpected_in_log($node, qr/has as many keys as it may have|max_keys must be between|a counted object has changed|has changed since|a dimension has been added or dropped meanwhile/)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
