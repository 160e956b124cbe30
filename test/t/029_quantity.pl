# Pieces and event ids: whatever comes of files in any order, replay, unload, replace and archives is what plain SQL makes of the rows that are left.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three); even ones have ids.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $node = slm_node('quantity', conf => "fsync = off\nlog_checkpoints = off\nsellometer.poll_interval = 50ms\nsellometer.debug_chunk_rows = 300\n");
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-3') =~ /^(\d+)(?:-(\d+))?$/;

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }

# Rows of a shop where much is bought, with columns of pieces and of ids, mostly.
sub make_files
{
	my ($dir, $seed) = @_;
	my %written;

	traffic($dir, '--seed' => $seed, '--start' => '2019-10-01 00:35:00', '--minutes' => 40, '--servers' => 1, '--rate' => 60, '--products' => 40, '--session-gap' => 200,
		'--bad' => 0.01, '--bad-kinds' => 'bad_time,bad_price,column_count', '--gzip' => 0);
	for my $key (files_below($dir))
	{
		my $content = slurp_file("$dir/$key") =~ s/(UTC),view,/"$1," . pick('view', 'view', 'purchase', 'purchase', 'cart', 'remove_from_cart') . ','/gre;

		$content = with_quantity($content) // die "no quantity for $key" if chance(0.8);
		$content = with_ids($content, \%written) // die "no ids for $key" if $seed % 2 == 0 && chance(0.8);
		write_file("$dir/$key", chance(0.2) ? gzipped($content) : $content);
	}
	return;
}

# All that is there is what the oracle says of a directory's objects; but for the ledger's rows of what was taken out, and, where it has been, of
# which object others' repetitions count for now.
sub agrees
{
	my ($dir, $name, $whole) = @_;

	$whole //= 'false';
	value('CALL sellometer_rollup()');
	oracle_load($node, $dir);
	oracle_agrees($node, 'minute', $name);
	is(value("SELECT * FROM oracle.diff('hour', realtime => true) LIMIT 10"), '', "$name: hours agree");
	carts_agree($node, $name);
	is(value('SELECT FROM sellometer.fold_offers(); SELECT * FROM oracle.diff_offers() LIMIT 10; SELECT * FROM oracle.diff_sold() LIMIT 10') =~ s/^\n//r, '', "$name: offers agree");
	is(value("SELECT * FROM oracle.diff_objects() d WHERE coalesce(object NOT IN (SELECT key FROM sellometer.objects WHERE state IN ('skipped', 'failed')), $whole) LIMIT 10"),
		'', "$name: the ledger agrees");
	is(value("SELECT string_agg(name || ': ' || detail, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects')"),
		'', "$name: sellometer_check() has nothing to say");
	return;
}

sub history
{
	my ($seed) = @_;
	my $dir = slm_directory($node, "pieces_$seed");

	srand($seed);
	note("seed $seed");
	$node->safe_psql('shop', 'SET client_min_messages = warning; DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer');
	make_files("$dir/now", $seed);
	mkdir "$dir/$_" foreach (qw(in out));
	value("SELECT sellometer_add_source('a', 'file://$dir/in/', archive_url => 'file://$dir/out/')");
	for my $key (shuffled(files_below("$dir/now")))
	{
		link_object("$dir/now", "$dir/in", $key);
		wait_until_loaded($node) if chance(0.05);
		if (chance(0.05))
		{
			$node->stop('immediate');
			$node->start;
		}
	}
	wait_until_loaded($node);
	agrees("$dir/now", "seed $seed", 'true');
	note(value(q{SELECT format('%s events of %s ids, %s of them counted', count(*), count(DISTINCT event_id), (SELECT count(*) FROM (SELECT DISTINCT event_id, product_id, event_type FROM oracle.event
		WHERE event_id <> '' AND reason IS NULL) d)) FROM oracle.event WHERE event_id <> '' AND reason IS NULL}));

	my @keys = shuffled(files_below("$dir/now"));
	for my $key (splice(@keys, 0, 4))
	{
		value(chance(0.5) ? "SELECT sellometer_unload('a', '$key')" : "CALL sellometer_unload_in_steps('a', '$key')");
		unlink("$dir/now/$key");
	}
	agrees("$dir/now", "seed $seed, some taken out");

	value('CALL sellometer_archive()');
	my @archived = grep { value("SELECT state FROM sellometer.objects WHERE key = '$_'") eq 'archived' } @keys;
	cmp_ok(scalar @archived, '>', 5, 'there are archives');
	value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
	agrees("$dir/now", "seed $seed, from archives");

	for my $second (7, 8)
	{
		my $key = shift @archived;
		# others' rows, a second later
		my ($plain) = grep { /^event_time/ } map { slurp_file("$dir/now/$_") } @archived;
		my @lines = split(/\n/, $plain);

		write_object("$dir/now", $key, join("\n", $lines[0], (map { s/:(\d)\d UTC/:$1$second UTC/r } @lines[ 1 .. $#lines ]), ''));
		unlink("$dir/in/$key");
		link_object("$dir/now", "$dir/in", $key);
		wait_until($node, "SELECT count(*) > 0 FROM sellometer.objects WHERE key = '$key' AND state = 'failed'");
		is(value("SELECT sellometer_retry('a', '$key', replace => true)"), '1', "$key is replaced");
	}
	wait_until_loaded($node);
	value("SELECT sellometer_unload('a', '$archived[1]')");
	unlink("$dir/now/$archived[1]");
	agrees("$dir/now", "seed $seed, some replaced");
	return;
}

history($_) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node, qr/a counted object has changed|has changed since/)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
