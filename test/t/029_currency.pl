# Currencies: whatever comes of files in any order while rates come, change and go, of rows that are had back, replay, unload, replace and archives
# is what plain SQL makes of the rows and of the rates at the times when they were tried.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three); even ones have ids.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $node = slm_node('currency', conf => "fsync = off\nlog_checkpoints = off\nsellometer.poll_interval = 50ms\nsellometer.debug_chunk_rows = 300\nsellometer.max_reject_fraction = 0.5\n");
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-3') =~ /^(\d+)(?:-(\d+))?$/;

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }

# The same rows with a column of currencies, of which the last two never have a rate, and one is for prices that become too large.
sub with_currency
{
	my ($content) = @_;
	my ($header, @lines) = split(/\n/, $content);

	return undef unless defined $header && $header =~ /^,?event_time,[a-z_,]+$/ && $content !~ /["\r\0]/;
	return join("\n", "$header,currency",
		(map { "$_," . (($_ =~ tr/,//) != ($header =~ tr/,//) ? 'USD' : pick('', 'USD', 'usd', 'EUR', 'EUR', 'eur', ' JPY ', 'CHF', 'GBP', 'NOK', chance(0.1) ? pick('BIG', 'XXX', 'Swiss francs', 'null') : 'USD')) } @lines), '');
}

sub make_files
{
	my ($dir, $seed) = @_;
	my %written;

	traffic($dir, '--seed' => $seed, '--start' => '2019-10-01 00:35:00', '--minutes' => 40, '--servers' => 1, '--rate' => 60, '--products' => 40, '--session-gap' => 200,
		'--bad' => 0.01, '--bad-kinds' => 'bad_time,bad_price,column_count', '--gzip' => 0);
	for my $key (files_below($dir))
	{
		my $content = slurp_file("$dir/$key") =~ s/(UTC),view,/"$1," . pick('view', 'view', 'purchase', 'purchase', 'cart', 'remove_from_cart') . ','/gre;

		$content = with_quantity($content) // die "no quantity for $key" if chance(0.3);
		$content = with_ids($content, \%written) // die "no ids for $key" if $seed % 2 == 0 && chance(0.8);
		$content = with_currency($content) // die "no currency for $key" if chance(0.8);
		write_file("$dir/$key", chance(0.2) ? gzipped($content) : $content);
	}
	return;
}

# --- rates ---

my $version;

# Rates come, change and go, while nothing is being loaded; what there is then is kept for the oracle.
sub change_rates
{
	$version++;
	for (1 .. 1 + int rand 6)
	{
		my $currency = pick('EUR', 'JPY', 'CHF', 'GBP', 'NOK');
		my $from = chance(0.2) ? '-infinity' : sprintf('2019-10-01 %02d:%02d:%02d', pick(0, 1), int rand 60, int rand 60);
		my $rate = pick(1, 0.5, 1.0915, 0.0092, 0.000000000001, 7.123456789012, 1234567.5, 0.33333);

		value(chance(0.15) ? "DELETE FROM sellometer.currency_rates WHERE currency = '$currency'"
			: "INSERT INTO sellometer.currency_rates VALUES ('$currency', '$from', $rate) ON CONFLICT (currency, from_time) DO UPDATE SET rate = excluded.rate");
	}
	value("INSERT INTO sellometer.currency_rates VALUES ('BIG', '-infinity', 9999999999) ON CONFLICT DO NOTHING;
		INSERT INTO kept.rate SELECT $version, * FROM sellometer.currency_rates");
	return;
}

# What is loaded that was not was tried with these rates.
sub note_loaded
{
	wait_until_loaded($node);
	value("INSERT INTO kept.tried SELECT key, $version FROM sellometer.objects o WHERE state IN ('done', 'archived') AND NOT EXISTS (SELECT FROM kept.tried t WHERE t.object = o.key)");
	return;
}

# Rows that were left out, once more.
sub have_back
{
	my ($state) = @_;

	if (chance(0.3))
	{
		value("SELECT sellometer_retry('a', state => '$state');
			INSERT INTO kept.tried SELECT key, $version FROM sellometer.objects WHERE state = '$state' ON CONFLICT DO NOTHING");
		return;
	}
	for my $key (split(/\n/, value("SELECT key FROM sellometer.objects WHERE state = '$state' AND rows_rejected > 0 ORDER BY key")))
	{
		next if chance(0.6);
		value("SELECT sellometer_retry('a', '$key'); INSERT INTO kept.tried VALUES ('$key', $version) ON CONFLICT DO NOTHING");
	}
	return;
}

# --- judging ---

sub agrees
{
	my ($dir, $name, $whole) = @_;

	$whole //= 'false';
	value('CALL sellometer_rollup()');
	oracle_load($node, $dir);
	value('INSERT INTO oracle.rate SELECT * FROM kept.rate; INSERT INTO oracle.tried SELECT * FROM kept.tried; UPDATE oracle.setting SET max_reject_fraction = 0.5; SELECT oracle.build()');
	oracle_agrees($node, 'minute', $name);
	is(value("SELECT * FROM oracle.diff('hour', realtime => true) LIMIT 10"), '', "$name: hours agree");
	carts_agree($node, $name);
	is(value('SELECT FROM sellometer.fold_offers(); SELECT * FROM oracle.diff_offers() LIMIT 10; SELECT * FROM oracle.diff_sold() LIMIT 10') =~ s/^\n//r, '', "$name: offers agree");
	is(value("SELECT * FROM oracle.diff_objects() d WHERE coalesce(object NOT IN (SELECT key FROM sellometer.objects WHERE state IN ('skipped', 'failed')), $whole) LIMIT 10"),
		'', "$name: the ledger agrees");
	is(value("SELECT string_agg(name || ': ' || detail, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects')"),
		'', "$name: sellometer_check() has nothing to say");
	note(value(q{SELECT string_agg(format('%s %s', n, what), ', ' ORDER BY what) FROM (SELECT CASE WHEN currency = '' THEN 'own' ELSE coalesce(reason, 'converted') END AS what, count(*) AS n
		FROM oracle.event GROUP BY 1) c}));
	return;
}

# The rows of a sum that counted come to it, at the prices by which they counted.
sub rows_agree
{
	my ($name) = @_;
	my $product = value("SELECT product_id FROM sellometer.purchase_product_id_minute ORDER BY random() LIMIT 1");

	is(value("SELECT event_type, count, gmv FROM (SELECT type AS event_type, sum(quantity) AS count, sum(price * quantity)::numeric(60, 4) AS gmv
			FROM sellometer_events('product_id', '$product', NULL, NULL) WHERE verdict = 'counted' GROUP BY 1) e ORDER BY 1"),
		value("SELECT event_type, sum(count), sum(gmv) FROM sellometer.product_id_minute WHERE product_id = $product GROUP BY 1 ORDER BY 1"), "$name: the rows come to the sums");
	return;
}

sub history
{
	my ($seed) = @_;
	my $dir = slm_directory($node, "currencies_$seed");

	srand($seed);
	note("seed $seed");
	$node->safe_psql('shop', 'SET client_min_messages = warning; DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer; DROP SCHEMA IF EXISTS kept CASCADE;
		CREATE SCHEMA kept; CREATE TABLE kept.rate (version integer, currency text, from_time timestamptz, rate numeric); CREATE TABLE kept.tried (object text, version integer, PRIMARY KEY (object, version))');
	$version = 0;
	make_files("$dir/now", $seed);
	mkdir "$dir/$_" foreach (qw(in out));
	value("SELECT sellometer_add_source('a', 'file://$dir/in/', archive_url => 'file://$dir/out/')");
	change_rates();
	for my $key (shuffled(files_below("$dir/now")))
	{
		link_object("$dir/now", "$dir/in", $key);
		if (chance(0.15))
		{
			note_loaded();
			change_rates();
			have_back('done') if chance(0.5);
		}
		if (chance(0.05))
		{
			$node->stop('immediate');
			$node->start;
		}
	}
	note_loaded();
	value("SELECT sellometer_retry('a', state => 'failed')");
	note_loaded();
	agrees("$dir/now", "seed $seed", 'true');

	change_rates();
	my @keys = shuffled(files_below("$dir/now"));
	for my $key (splice(@keys, 0, 4))
	{
		value(chance(0.5) ? "SELECT sellometer_unload('a', '$key')" : "CALL sellometer_unload_in_steps('a', '$key')");
		unlink("$dir/now/$key");
		value("DELETE FROM kept.tried WHERE object = '$key'");
	}
	agrees("$dir/now", "seed $seed, some taken out");

	value('CALL sellometer_archive()');
	my @archived = grep { value("SELECT state FROM sellometer.objects WHERE key = '$_'") eq 'archived' } @keys;
	cmp_ok(scalar @archived, '>', 5, 'there are archives');
	change_rates();
	value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
	agrees("$dir/now", "seed $seed, from archives");
	rows_agree("seed $seed, from archives");
	have_back('archived');
	change_rates();
	have_back('archived');
	have_back('done');
	agrees("$dir/now", "seed $seed, had back from archives");
	value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
	agrees("$dir/now", "seed $seed, replayed again");
	rows_agree("seed $seed, replayed again");

	for my $second (7, 8)
	{
		my $key = shift @archived;
		# others' rows, a second later
		my ($plain) = grep { /^event_time.*currency/ } map { slurp_file("$dir/now/$_") } @archived;
		my @lines = split(/\n/, $plain);

		write_object("$dir/now", $key, join("\n", $lines[0], (map { s/:(\d)\d UTC/:$1$second UTC/r } @lines[ 1 .. $#lines ]), ''));
		unlink("$dir/in/$key");
		link_object("$dir/now", "$dir/in", $key);
		wait_until($node, "SELECT count(*) > 0 FROM sellometer.objects WHERE key = '$key' AND state = 'failed'");
		is(value("SELECT sellometer_retry('a', '$key', replace => true)"), '1', "$key is replaced");
		value("DELETE FROM kept.tried WHERE object = '$key'");
		note_loaded();
	}
	value("SELECT sellometer_unload('a', '$archived[1]')");
	unlink("$dir/now/$archived[1]");
	value("DELETE FROM kept.tried WHERE object = '$archived[1]'");
	agrees("$dir/now", "seed $seed, some replaced");
	return;
}

history($_) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node, qr/a counted object has changed|has changed since/)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
