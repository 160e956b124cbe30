# Files in random formats of their own, made of known rows, each in a source of its own: the tiers, the ledger and the rejected rows are what
# plain SQL makes of these rows, at once, in parts, by parse workers, or late; then made anew from the files, from archives, and some taken out.
# SLM_SEEDS: which seeds to run, e.g. "1-2000" or "7" (default: 60).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmFormats;
use SlmHistory;
use SlmTest;
use Test::More;

# As many at a time, each with a source.
my $GROUP = 100;

my $node = slm_node('formats', conf => "fsync = off\nlog_checkpoints = off\nsellometer.database = 'postgres'\n");
my $small = can_make_chunks_small($node) ? "SET sellometer.debug_chunk_rows = 100; " : '';
my @WAYS = (
	[ 'at once', "SET sellometer.live_lateness = '1 d'" ],
	[ 'in parts, by parse workers', "$small SET sellometer.live_lateness = '1 d'; SET sellometer.batch_bytes = '64 kB'; SET sellometer.surge_bytes = '1 kB'" ],
	[ 'late', "SET sellometer.live_lateness = 0; SET sellometer.batch_bytes = '256 kB'" ]);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-60') =~ /^(\d+)(?:-(\d+))?$/;

sub value
{
	my ($sql) = @_;

	return $node->safe_psql('shop', $sql);
}

# What a unit of a currency is worth; others have no rate.
my @RATES = ([ 'EUR', '-infinity', 1.0915 ], [ 'JPY', '-infinity', 0.0092 ], [ 'JPY', '2019-10-27 01:30+00', 0.009312345678 ]);

sub add_rates
{
	my ($table, @more) = @_;

	value("INSERT INTO $table VALUES " . join(', ', map { '(' . join(', ', @more, map { "'$_'" } @$_) . ')' } @RATES));
	return;
}

# What must come of the objects, with the rates that there are from the beginning.
sub load_oracle
{
	my (@objects) = @_;

	known_load($node, @objects);
	add_rates('oracle.rate', 1);
	value('INSERT INTO oracle.tried SELECT object, 1 FROM oracle.object; SELECT oracle.build()');
	return;
}

sub sums_agree
{
	my ($name) = @_;

	oracle_agrees($node, 'minute', $name);
	is(value(q{SELECT * FROM oracle.diff('hour', '-infinity', (SELECT watermark FROM sellometer.tiers WHERE name = 'hour')) LIMIT 10}), '', "$name: hours agree");
	is(value('SELECT * FROM oracle.diff_offers() LIMIT 10'), '', "$name: offers agree");
	carts_agree($node, $name);
	return;
}

sub ledger_agrees
{
	my ($name, @objects) = @_;
	my %ignored = map { ($_->{key} => $_->{ignored}) } @objects;
	my @wrong = grep { my ($key, $n) = split(/\|/); ($ignored{$key} // 0) != $n } split(/\n/, value(q{SELECT key, rows_ignored FROM sellometer.objects WHERE state <> 'failed'}));

	is(value('SELECT * FROM oracle.diff_objects() LIMIT 10'), '', "$name: the ledger agrees");
	is(value("SELECT * FROM oracle.diff_rejects(current_setting('sellometer.max_rejects_kept')::integer) LIMIT 10"), '', "$name: the rejected rows agree, line by line");
	is("@wrong", '', "$name: as many rows are passed over as there are to be");
	is(value(q{SELECT key, error FROM sellometer.objects o JOIN oracle.object_total t ON t.object = o.key WHERE NOT t.failed AND o.error IS NOT NULL}), '', "$name: none has failed that should not");
	return;
}

sub judge
{
	my ($name, $settings, $dir, @objects) = @_;

	value(q{SET client_min_messages = warning; DROP EXTENSION sellometer CASCADE; CREATE EXTENSION sellometer;
		ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'count';
		SELECT sellometer_add_dimension('channel', empty => 'none'); SELECT sellometer_add_dimension('region', separator => '/', levels => 2)});
	add_rates('sellometer.currency_rates');
	load_oracle(@objects);
	value(join("\n", 'SET client_min_messages = error;', map {
		"SELECT sellometer_add_source('$_->{seed}', 'file://$dir/$_->{seed}/', archive_url => 'file://$dir.archive/$_->{seed}/');
		" . ($_->{naive} ? '' : "INSERT INTO sellometer.source_formats (source, format) VALUES ('$_->{seed}', " . format_literal($_) . ");
		UPDATE sellometer.sources SET format_id = (SELECT max(id) FROM sellometer.source_formats) WHERE name = '$_->{seed}';")
	} @objects));
	# where there are many sources, a turn need not list all of them
	for (my $turn = 0; $turn < 20 && value('SELECT count(*) FROM sellometer.objects') < @objects; $turn++)
	{
		value("$settings; CALL sellometer_ingest()");
	}
	value("$settings; CALL sellometer_ingest(); CALL sellometer_merge_backlog()");
	sums_agree($name);
	ledger_agrees($name, @objects);
	names_agree($name);
	is(value(q{SELECT c.* FROM sellometer_check() c WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects')}),
		'', "$name: sellometer_check() finds nothing");
	return;
}

# Of each product the name that it has in the latest hour that has any, the first one of these.
sub names_agree
{
	my ($name) = @_;

	is(value(q{
		WITH named AS (
			SELECT e.product_id, oracle.value_of(k.product_name) AS name, date_trunc('hour', e.t, 'UTC') AS hour FROM oracle.event e JOIN oracle.object_total o USING (object)
			JOIN oracle.known k USING (object, line) WHERE e.reason IS NULL AND NOT o.failed AND oracle.value_of(k.product_name) <> '')
		SELECT product_id, e.name, n.name FROM (SELECT DISTINCT ON (product_id) * FROM named ORDER BY product_id, hour DESC, name COLLATE "C") e
		FULL JOIN sellometer.product_names n USING (product_id) WHERE (e.name, e.hour) IS DISTINCT FROM (n.name, n.hour) LIMIT 10}), '', "$name: names agree");
	return;
}

# Made anew from the files, then from archives, without some of them.
sub archive_and_change
{
	my ($name) = @_;

	value("SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
	sums_agree("$name, replayed from the files");
	value('SET client_min_messages = warning; SET sellometer.live_lateness = 0; CALL sellometer_rollup(); CALL sellometer_archive()');
	cmp_ok(value(q{SELECT count(*) FROM sellometer.objects WHERE state = 'archived'}), '>', 0, "$name: there are archives");
	value('UPDATE sellometer.sources SET format_id = NULL');
	value("SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
	sums_agree("$name, archived and replayed");
	my @out = split(/\n/, value(q{SELECT source, key FROM sellometer.objects WHERE rows_counted > 0 ORDER BY md5(key) LIMIT 4}));
	foreach (map { [ split(/\|/) ] } @out)
	{
		value("SELECT sellometer_unload('$_->[0]', '$_->[1]')");
		value("DELETE FROM oracle.raw WHERE object = '$_->[1]'; DELETE FROM oracle.object WHERE object = '$_->[1]'");
	}
	value('SELECT oracle.build()');
	sums_agree("$name, some taken out");
	return;
}

# Hours end when there is something behind them.
sub later_object
{
	return written(format_writer(seed => 0, naive => 1), 'later.csv', { second => 14 * 3600, event_type => 'view', product_id => 1, price => '2.50' });
}

for (my $from = $first; $from <= ($last // $first); $from += $GROUP)
{
	my $to = $from + $GROUP - 1 < ($last // $first) ? $from + $GROUP - 1 : $last // $first;
	my @objects = (later_object(), map { format_object($_) } $from .. $to);
	my $dir = slm_directory($node, "in_$from");

	mkdir "$dir.archive" or die "$dir.archive: $!";
	foreach (@objects) { mkdir "$dir.archive/$_->{seed}" or die; write_object("$dir/$_->{seed}", $_->{key}, $_->{content}); }
	judge("seeds $from to $to, $_->[0]", $_->[1], $dir, @objects) foreach (@WAYS);
	archive_and_change("seeds $from to $to");
	note(value(q{SELECT format('measured: %s rows, %s rejected, %s passed over, of %s objects, %s of which failed',
		sum(rows_total), sum(rows_rejected), sum(rows_ignored), count(*), count(*) FILTER (WHERE state = 'failed')) FROM sellometer.objects}));
}

$node->stop;
done_testing();
