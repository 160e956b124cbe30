# The ledger forgets what nothing needs, and whatever is put there again afterwards is counted once, as before.
use strict;
use warnings FATAL => 'all';

use File::Path qw(make_path);
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $node = slm_node('ledger', conf => <<'CONF');
fsync = off
sellometer.database = 'postgres'
sellometer.live_lateness = '1s'
CONF
$node->safe_psql('shop', q{ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'skip'});

sub value { return $node->safe_psql('shop', "SET client_min_messages = warning; $_[0]"); }
sub said { return ($node->psql('shop', $_[0]))[2]; }
sub load { value('CALL sellometer_ingest(); CALL sellometer_merge_backlog(); CALL sellometer_rollup()'); return; }

# All rows of the ledger were dealt with long ago.
sub forget
{
	value(q{UPDATE sellometer.objects SET discovered_at = discovered_at - interval '1 hour', ingested_at = ingested_at - interval '1 hour',
		archived_at = archived_at - interval '1 hour'});
	return (split(/\n/, $node->safe_psql('shop', q{SET sellometer.ledger_retention = '10min'; UPDATE sellometer.state SET ledger_pruned_at = NULL;
		CALL sellometer_prune(); SELECT coalesce(sum((detail ->> 'objects')::int), 0) FROM sellometer.runs WHERE procedure = 'prune'})))[-1];
}

my $products = 0;
my %expected;		# product => purchases

sub content
{
	my ($hour, $rows) = @_;
	my $product = ++$products;

	$expected{$product} = $rows;
	return csv(map { event(event_time => sprintf('2019-10-%02d %02d:30:%02d', 1 + int($hour / 24), $hour % 24, $_), event_type => 'purchase', product_id => $product) } 1 .. $rows);
}

sub sums
{
	return value(q{SELECT string_agg(product_id || ':' || n, ' ' ORDER BY product_id)
		FROM (SELECT product_id, sum(count) n FROM sellometer.realtime_product_id_hour GROUP BY 1) p});
}

sub counts_once
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(sums(), join(' ', map { "$_:$expected{$_}" } sort { $a <=> $b } keys %expected), "$name: each content counts once");
	is(value(q{SELECT string_agg(key || ': ' || error, '; ') FROM sellometer.objects WHERE state = 'failed'}), '', '... and none has failed');
	is(value(q{SELECT string_agg(name || ': ' || detail, '; ') FROM sellometer_check()
		WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker')}), '', '... and sellometer_check() agrees');
	return;
}

# --- what is forgotten, and what is not ---

my $place = slm_directory($node, 'place');
make_path("$place/$_") foreach (qw(in out));
value("SELECT sellometer_add_source('web', 'file://$place/in/', archive_url => 'file://$place/out')");
my %text = map { $_ => content($_, 2 + $_) } 0 .. 5;
write_object("$place/in", "$_.csv", $text{$_}) foreach (sort keys %text);
write_object("$place/in", 'copy.csv', $text{0});
write_object("$place/in", 'aside.csv', csv('x,y'));
load();
value("SELECT sellometer_skip('web', 'aside.csv')");
is(forget(), '0', 'nothing is forgotten of what is listed');
value('CALL sellometer_archive()');
unlink("$place/in/$_") foreach (qw(copy.csv aside.csv));
chmod(0, "$place/in") or die $!;
like(said("SET sellometer.ledger_retention = '10min'; UPDATE sellometer.state SET ledger_pruned_at = NULL;
	UPDATE sellometer.objects SET discovered_at = '2019-01-01', ingested_at = '2019-01-01', archived_at = '2019-01-01'; CALL sellometer_prune()"),
	qr/WARNING:  the ledger keeps all rows of source "web": could not open directory/, 'nor of a source that can\'t be listed');
chmod(0700, "$place/in") or die $!;
is(value(q{SELECT count(*) FROM sellometer.objects}), '8', '... all rows are there');
is(forget(), '6', 'what is archived, and a copy that is gone, are forgotten');
is(value(q{SELECT string_agg(key || ' ' || state, ', ' ORDER BY key) FROM sellometer.objects}), '5.csv done, aside.csv skipped',
	'... but not what is there, nor what was put aside');
is(value(q{SELECT count(*) FROM sellometer.forgotten_objects f JOIN sellometer.archives a ON f.object_id = ANY (a.objects)}), '5', '... of each content remains a word');
is(value('SELECT (SELECT count(*) FROM sellometer.object_parts) + (SELECT count(*) FROM sellometer.refused_rows)'), '0', '... and nothing else');
counts_once('forgotten');
is(value("SELECT sellometer_replay('web', '2019-10-01', '2019-10-02')"), '27', 'a replay reads what is archived');
counts_once('and replayed');
write_object("$place/in", '0.csv', $text{0});
write_object("$place/in", 'other.csv', $text{1});
write_object("$place/in", 'packed.csv', gzipped($text{2}));
load();
counts_once('put there again');
like(value("SELECT string_agg(DISTINCT state || ': ' || error, '; ') FROM sellometer.objects WHERE key = '0.csv'"),
	qr/^skipped: same content as object "0\.csv" of source "web", which was counted \(its row has left the ledger: sellometer\.ledger_retention\)$/, '... which says why');
is(forget(), '6', 'what is listed again stays');
like(said("SELECT $_->[0]"), qr/$_->[1].*It was counted, which stays so; its row has left the ledger/s, $_->[0])
	foreach ([ q{sellometer_unload('web', '3.csv')}, 'has no object' ], [ q{sellometer_retry('web', '3.csv')}, 'has no object' ],
		[ q{sellometer_skip('web', '3.csv')}, 'has no object' ], [ q{sellometer_declare_lost('web', '3.csv')}, 'nothing of an object' ]);
write_object("$place/in", '4.csv', content(4, 3));
load();
counts_once('another content under a name that nobody remembers');

# The newest is taken out: the head is where those that were forgotten have moved it.
unlink("$place/in/4.csv") or die $!;
value("SELECT sellometer_unload('web', '5.csv')");
delete $expected{6};
is(value('SELECT head >= forgotten_head FROM sellometer.state'), 't', 'the head is not behind what was forgotten');

# Another source at its place.
value("SELECT sellometer_drop_source('web'); SELECT sellometer_add_source('shop', 'file://$place/', exclude => '{out/*}')");
is(value("SELECT string_agg(source || '/' || key, ' ' ORDER BY key) FROM sellometer.forgotten_objects"), join(' ', map { "shop/in/$_.csv" } 0 .. 4), 'a source that takes over takes over what was forgotten');
write_object("$place/in", '3.csv', $text{3});
load();
is(value("SELECT state FROM sellometer.objects WHERE key = 'in/3.csv'"), 'skipped', '... and knows it');
value("SELECT sellometer_drop_source('shop')");

# Too old for every tier: not even its content need be known.  What is not archived stays as long as a tier has its rows.
make_path("$place/old");
value("SELECT sellometer_add_source('old', 'file://$place/old/')");
write_object("$place/old", 'old.csv', my $old = content(2, 9));
load();
unlink("$place/old/old.csv") or die $!;
my $before = forget();
is(value("SELECT state FROM sellometer.objects WHERE key = 'old.csv'"), 'done', 'what is not archived, and in a tier, is kept');
write_object("$place/old", 'new.csv', csv(event(event_time => '2020-03-01 00:00:00', product_id => 999, event_type => 'purchase')));
load();
is(forget(), $before + 1, 'older than every tier: forgotten');
is(value('SELECT count(*) FROM sellometer.forgotten_objects'), '0', '... without a trace, as are those that were archived');
write_object("$place/old", 'old.csv', $old);
load();
is(value("SELECT rows_expired FROM sellometer.objects WHERE key = 'old.csv'"), '9', '... as it would count nowhere');
value("SELECT sellometer_drop_source('old')");

# --- any history ---

for my $seed (split(/ /, $ENV{SLM_SEEDS} // '1 2 3'))
{
	my $count_each = $seed % 2;
	my $dir = slm_directory($node, "history$seed");
	my $source = "h$seed";
	my $hour = 24;
	my %text;		# what there ever was, by key
	my %there;		# key => text
	my @did;

	srand($seed);
	$node->safe_psql('shop', 'DROP EXTENSION sellometer CASCADE; CREATE EXTENSION sellometer');
	%expected = ();
	make_path("$dir/$_") foreach (qw(in out));
	value("SELECT sellometer_add_source('$source', 'file://$dir/in/', archive_url => 'file://$dir/out');
		SELECT sellometer_alter_source('$source', same_content => '" . ($count_each ? 'count' : 'skip') . "')");
	my %of;			# text => product
	my $put = sub {
		my ($key, $text) = @_;
		write_object("$dir/in", $key, pick(0, 1) ? $text : gzipped($text));
		$there{$key} = $text;
	};
	my %step = (
		new => sub {
			my $text = content(++$hour, 1 + int rand 5);
			my $key = "k$products.csv";
			$text{$key} = $text;
			$of{$text} = $products;
			$put->($key, $text);
			load();
		},
		again => sub { my $key = pick(sort keys %text) // return; $put->($key, $text{$key}); },
		elsewhere => sub {
			my $was = pick(sort keys %text) // return;
			my $key = "e" . scalar(@did) . "-$was";
			$put->($key, $text{$was});
			$text{$key} = $text{$was} if $count_each;
			$of{$key} = $was;
			$expected{ $of{ $text{$was} } } += () = $text{$was} =~ /purchase/g if $count_each;
		},
		archive => sub { load(); value('CALL sellometer_archive()'); },
		forget => sub { load(); forget(); },
		move => sub {
			system('cp', '-r', "$dir/in", "$dir/copy") == 0 && system('rm', '-rf', "$dir/in") == 0 && rename("$dir/copy", "$dir/in") or die;
		},
		source => sub {
			my $new = "h$seed-" . scalar(@did);
			value("SELECT sellometer_drop_source('$source'); SELECT sellometer_add_source('$new', 'file://$dir/in/', archive_url => 'file://$dir/out');
				SELECT sellometer_alter_source('$new', same_content => '" . ($count_each ? 'count' : 'skip') . "')");
			$source = $new;
		},
		gone => sub {
			# what was skipped: the counted ones are read again by a replay
			my @skipped = split(/\n/, value(q{SELECT key FROM sellometer.objects WHERE state = 'skipped'}));
			my $key = pick(@skipped) // return;
			unlink("$dir/in/$key");
		},
		replay => sub { load(); value("SELECT sellometer_replay(NULL, '2019-10-01', '2019-12-01')"); },
		unload => sub {
			my $key = pick(split(/\n/, value(q{SELECT key FROM sellometer.objects WHERE state = 'archived'}))) // return;
			return if $count_each;
			my $was = $key;
			$was = $of{$was} while !exists $text{$was};
			value("SELECT sellometer_unload('$source', '$key')");
			delete $expected{ $of{ $text{$was} } };
		});

	for my $round (1 .. 10)
	{
		for (1 .. 5)
		{
			push @did, pick(('new') x 6, 'archive', 'forget', 'again', sort keys %step);
			$step{ $did[-1] }->();
		}
		load();
		counts_once("seed $seed, round $round");
	}
	$step{$_}->() foreach (qw(archive forget));
	my $left = value('SELECT count(*) FROM sellometer.objects');
	my $forgotten = value('SELECT count(*) FROM sellometer.forgotten_objects');
	cmp_ok($forgotten, '>', 3, "seed $seed: $forgotten were forgotten, $left are left");
	$step{again}->() foreach (1 .. 10);
	load();
	counts_once("seed $seed: old ones once more");
	value("SELECT sellometer_replay(NULL, '2019-10-01', '2019-12-01')");
	counts_once("seed $seed: replayed") or note("@did");
}

$node->stop;
done_testing();
