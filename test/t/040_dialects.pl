# Files of all dialects, made of known rows: the tiers, the ledger and the rejected rows are what plain SQL makes of these rows,
# or the file fails with its reason; whether they are loaded at once, in parts, by parse workers, or late.  Then they are archived,
# all is made anew from the archives and from what is not archived, and some are taken out, or replaced by others: the same.
# SLM_SEEDS: which seeds to run, e.g. "1-2000" or "7" (default: 200).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmDialects;
use SlmHistory;
use SlmTest;
use Test::More;

# As many at a time; of so many the largest load takes a second or two.
my $GROUP = 500;

# The worker has another database: what is loaded how is up to the CALLs here.
my $node = slm_node('dialects', conf => "fsync = off\nlog_checkpoints = off\nsellometer.database = 'postgres'\n");
my $small = can_make_chunks_small($node) ? "SET sellometer.debug_chunk_rows = 100; " : '';
my @WAYS = (
	[ 'at once', "SET sellometer.live_lateness = '1 d'" ],
	[ 'in parts', "$small SET sellometer.live_lateness = '1 d'; SET sellometer.batch_bytes = '64 kB'" ],
	[ 'by parse workers', "$small SET sellometer.live_lateness = '1 d'; SET sellometer.batch_bytes = '64 kB'; SET sellometer.surge_bytes = '1 kB'" ],
	[ 'late', "SET sellometer.live_lateness = 0; SET sellometer.batch_bytes = '256 kB'" ]);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-200') =~ /^(\d+)(?:-(\d+))?$/;

sub value
{
	my ($sql) = @_;

	return $node->safe_psql('shop', $sql);
}

# What must come of the objects.
sub load_oracle
{
	my ($dir, @objects) = @_;

	value(slurp_file(slm_root() . '/test/oracle/oracle.sql'));
	tell_oracle($dir, @objects);
	return;
}

# Of these objects too.
sub tell_oracle
{
	my ($dir, @objects) = @_;
	my @tables = ([ 'raw (object, line, flaw, event_time, event_type, product_id, category_id, category_code, brand, price, user_id, user_session)',
			dialect_rows(@objects) ],
		[ 'object', join('', map { sprintf("\"%s\",\"%s\"\n", $_->{key}, defined $_->{fails} ? 'fails' : '') } @objects) ]);

	foreach (@tables)
	{
		my ($table, $rows) = @$_;

		append_to_file("$dir.rows", $rows);
		value("COPY oracle.$table FROM '$dir.rows' (FORMAT csv, ENCODING 'UTF8')");
		unlink "$dir.rows";
	}
	value('SELECT oracle.build()');
	return;
}

# Of the objects that failed, those that should not have or that did not say why.
sub wrong_failures
{
	my @objects = @_;
	my %error = map { split(/\t/, $_, 2) } split(/\n/, value(q{
		SELECT key || E'\t' || translate(error, E'\n', ' ') FROM sellometer.objects WHERE state = 'failed'}));

	return map {
		my $error = $error{ $_->{key} };
		my $fails = $_->{fails} // qr/rows? can(?:'t)? be used/;

		(defined $error ? $error !~ $fails : defined $_->{fails}) ? "$_->{key}: " . ($error // 'did not fail') : ()
	} @objects;
}

# What objects that count have come to.
sub sums_agree
{
	my ($name) = @_;

	oracle_agrees($node, 'minute', $name);
	is(value(q{SELECT * FROM oracle.diff('hour', '-infinity', (SELECT watermark FROM sellometer.tiers WHERE name = 'hour')) LIMIT 10}), '',
		"$name: hours agree");
	is(value('SELECT * FROM oracle.diff_offers() LIMIT 10'), '', "$name: offers agree");
	carts_agree($node, $name);
	return;
}

# Load what is in the directory, and compare all with the oracle.
sub judge
{
	my ($name, $settings, $dir, @objects) = @_;
	my $kept = "current_setting('sellometer.max_rejects_kept')::integer";

	value(q{SET client_min_messages = warning; DROP EXTENSION sellometer CASCADE; CREATE EXTENSION sellometer;
		ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'count'});
	value("SELECT sellometer_add_source('in', 'file://$dir/', archive_url => 'file://$dir.archive/'); $settings; CALL sellometer_ingest(); CALL sellometer_merge_backlog()");
	sums_agree($name);
	is(value('SELECT * FROM oracle.diff_objects() LIMIT 10'), '', "$name: the ledger agrees");
	is(value("SELECT * FROM oracle.diff_rejects($kept) LIMIT 10"), '', "$name: the rejected rows agree, line by line");
	is(join("\n", wrong_failures(@objects)), '', "$name: what failed, failed for its reason");
	is(value(q{SELECT c.* FROM sellometer_check() c WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects')}),
		'', "$name: sellometer_check() finds nothing");
	return;
}

# Of a seed that is not used otherwise: one that can be loaded, under another object's key.
sub other_content
{
	my ($key) = @_;
	my ($seed) = $key =~ /(\d+)/;
	my $object;

	do { $object = dialect_object($seed += 1_000_000) } while (defined $object->{fails} || 10 * (grep { $_->{flaw} ne '' } @{ $object->{rows} }) >= @{ $object->{rows} });
	$object->{key} = $key;
	return $object;
}

# What was loaded goes into archives, and comes back from there; then some of it is taken out, and some replaced.
sub archive_and_change
{
	my ($name, $dir) = @_;

	value("SET client_min_messages = warning; SET sellometer.live_lateness = 0; CALL sellometer_rollup(); CALL sellometer_archive()");
	my @archived = split(/\n/, value(q{SELECT key FROM sellometer.objects WHERE state = 'archived' AND rows_counted > 0 ORDER BY md5(key) LIMIT 8}));
	cmp_ok(scalar(@archived), '>', 0, "$name: there are archives") or return;
	value("SELECT sellometer_replay('in', '-infinity', 'infinity')");
	sums_agree("$name, archived and replayed");
	is(value('SELECT * FROM oracle.diff_objects() LIMIT 10'), '', "$name, archived and replayed: the ledger agrees");

	my @out = grep { defined } @archived[0 .. 3];
	my @new = map { other_content($_) } grep { defined } @archived[4 .. 7];
	value("SELECT sellometer_unload('in', '$_')") foreach (@out);
	write_object($dir, $_->{key}, $_->{content}) foreach (@new);
	value('CALL sellometer_ingest()');
	value("SELECT sellometer_retry('in', '$_->{key}', replace => true)") foreach (@new);
	value(sprintf('DELETE FROM oracle.%s WHERE object IN (%s)', $_, join(', ', map { "'$_'" } @out, map { $_->{key} } @new))) foreach (qw(raw object));
	tell_oracle($dir, @new);
	sums_agree("$name, " . @out . ' taken out, ' . @new . ' replaced');
	value("SELECT sellometer_replay('in', '-infinity', 'infinity')");
	sums_agree("$name, changed and replayed");
	return;
}

# Hours end when there is something behind them.
sub later_object
{
	my %row = map { ($_ => '') } qw(category_id category_code brand user_id user_session);

	return { key => 'later.csv', content => "event_time,event_type,product_id,price\n2019-10-01 06:00:00,view,1,2.50\n",
		rows => [ { %row, line => 2, flaw => '', event_time => '2019-10-01 06:00:00', event_type => 'view', product_id => 1, price => '2.50' } ] };
}

for (my $from = $first; $from <= ($last // $first); $from += $GROUP)
{
	my $to = $from + $GROUP - 1 < ($last // $first) ? $from + $GROUP - 1 : $last // $first;
	my @objects = (later_object(), map { dialect_object($_) } $from .. $to);
	my $dir = slm_directory($node, "in_$from");

	mkdir "$dir.archive" or die "$dir.archive: $!";
	write_object($dir, $_->{key}, $_->{content}) foreach (@objects);
	load_oracle($dir, @objects);
	judge("seeds $from to $to, $_->[0]", $_->[1], $dir, @objects) foreach (@WAYS);
	archive_and_change("seeds $from to $to", $dir);
	note(value(q{SELECT format('measured: seeds ' || '%s: %s rows, %s rejected, of %s objects, %s of which failed', string_agg(DISTINCT source, ''),
		sum(rows_total), sum(rows_rejected), count(*), count(*) FILTER (WHERE state = 'failed')) FROM sellometer.objects}) =~ s/seeds in/seeds $from to $to/r);
}

$node->stop;
done_testing();
