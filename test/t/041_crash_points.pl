# At each place in the code that SLM_CRASH_POINT() names, one after the other: dies, and goes on in a new process; meets an error, of a
# kind that is an object's and of one that is the server's, and goes on in the same process.  Nothing is lost or doubled.
# Sessions and orders are counted, prices are in another currency, events have ids, some products are texts with names, and there are dimensions of one's own.
# The server crashes on purpose here.
use strict;
use warnings FATAL => 'all';

use File::Copy qw(copy);
use File::Path qw(remove_tree);
use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use SlmCrash;
use SlmHistory;
use SlmTest;
use SlmTiers;
use Test::More;
use Time::Local qw(timegm);

# No worker in database shop: a session is to die, and at the first visit.
my $node = slm_node('points', conf => <<'CONF');
fsync = off
autovacuum = off
restart_after_crash = on
sellometer.database = 'postgres'
sellometer.live_lateness = '2min'
sellometer.view_log_retention = '1d'
sellometer.debug_chunk_rows = 100
sellometer.retry_delay = 1ms
CONF
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);

my ($in, $kept, $out) = map { slm_directory($node, $_) } qw(in kept out);
my $now = timegm(0, 0, 0, 1, 9, 2019);		# where the events are
my %visited;
my ($files, $rows, $sessions) = (0, 0, 0);
my $newest;		# the object that was put last

sub value { return $node->safe_psql('shop', $_[0]); }

# --- objects ---

# A row with what else there may be; two euros are worth one of ours.
sub row
{
	my (%row) = @_;

	return join(',', event(brand => 'b' . $rows % 3, %row), @row{qw(event_id product_name)}, 'EUR');
}

# At some minutes from now, with its time (or another: named) in its name: purchases; and of two sessions each a view that is counted already
# or is to be moved to here, and one that will be; what was put into a cart here, and by the object before, and a product that none had.
sub put
{
	my ($minutes, %more) = @_;
	my $time = $now + 60 * $minutes;
	my @events;

	my $at = sub { strftime('%Y-%m-%d %H:%M:%S', gmtime($time + $_[0])) };
	push @events, row(event_time => $at->($_ % 60), event_type => 'purchase', product_id => 1 + $_ % 7, user_session => "s$sessions",
		price => ++$rows / 50, event_id => "p$rows", product_name => "name $rows") foreach (1 .. $more{purchases} // 5);
	push @events, row(event_time => $at->(60 * $more{ahead}), event_type => 'purchase', price => ++$rows / 50, event_id => "p$rows", product_name => '') if $more{ahead};
	push @events, map { row(event_time => $at->(45), event_type => 'cart', user_session => "s$sessions", event_id => "c$_", product_name => '') } $files, $files + 1;
	push @events, row(event_time => $at->(50), event_type => 'remove_from_cart', product_id => "sku-$files", event_id => '', product_name => "what is $files");
	for my $session ($sessions, $sessions + 1)
	{
		push @events, row(event_time => $at->(30), product_id => 1 + $session % 3, price => "$session.5", brand => 'acme',
			user_session => "s$session", event_id => '', product_name => '');
	}
	$sessions++;
	$files++;
	put_content(strftime('%Y-%m-%d-%H-%M', gmtime($now + 60 * ($more{named} // $minutes))) . "-$files.csv", csv(@events) =~ s/\n/,event_id,product_name,currency\n/r);
	return;
}

# What is archived goes from the source; what it was is kept for the oracle.
sub put_content
{
	my ($key, $content) = @_;

	unlink("$kept/$key", "$in/$key");
	write_object($kept, $key, $content);
	link_object($kept, $in, $key);
	$newest = $key;
	return;
}

# A live object, a minute after the one before.
sub live { $now += 60; put(0, @_); return; }
# An object that is late, and in the ledger as such.
sub late { put(-10); value('CALL sellometer_ingest()'); return; }
# An object of which a row is rejected for now.
sub jumped
{
	live(ahead => 12);
	value("SET sellometer.max_clock_jump = '10min'; CALL sellometer_ingest()");
	return;
}
# One object that is loaded in three parts, the largest that may be.
sub large { live(purchases => 900); return; }

# Move on, so that what was is complete and, after hours, old.
sub later
{
	my ($minutes) = @_;

	$now += 60 * ($minutes - 1);
	live();
	value('CALL sellometer_ingest()');
	return;
}

# How long minutes are kept: long, lest loading prunes by itself, and short when there is to be something to prune.
sub keep_minutes { value("SELECT sellometer_alter_tier('minute', '$_[0]')"); return; }

sub something_to_prune
{
	my ($minutes) = @_;

	keep_minutes('10 days');
	later($minutes);
	value('CALL sellometer_rollup()');
	keep_minutes('2 hours');
	return;
}

sub something_to_pack
{
	keep_minutes('10 days');
	later(70) foreach (1 .. 3);
	value('CALL sellometer_rollup()');
	return;
}

# --- dying ---

# Have a statement die at the point; true if it did.  The server is back then.
sub die_at
{
	my ($point, $sql) = @_;
	my ($name) = $point =~ /^([\w.]+)/;
	my $mark = $node->data_dir . '/sellometer_crashed';
	my $seen = -s $node->logfile;

	unlink $mark;
	$node->psql('shop', "SET client_min_messages = error; SET sellometer.debug_crash_point = '$point'; $sql");
	return 0 if !-e $mark;
	wait_for_restart($node, $seen, 'shop');
	$visited{$name}++ if slurp_file($mark) eq $name;
	return slurp_file($mark) eq $name;
}

# Have it meet an error there, and then the same session do it again, whole; true if it did.
sub fail_at
{
	my ($point, $sqlstate, $sql, $more) = @_;
	my ($name) = $point =~ /^([\w.]+)/;
	my $mark = $node->data_dir . '/sellometer_crashed';

	unlink $mark;
	$node->psql('shop', qq{SET client_min_messages = error;
		SET sellometer.debug_crash_point = '$point';
		SET sellometer.debug_crash_sqlstate = '$sqlstate';
		@{[ $more // '' ]}
		$sql;
		RESET sellometer.surge_bytes;
		SELECT pg_sleep(0.01);
		$sql;}, on_error_stop => 0);
	return -e $mark && slurp_file($mark) eq $name;
}

# An error that is taken for an object's, and one that is the server's.
my %ERRORS = ('an error of an object' => '22000', 'an error of the server' => '53100');

# All of these; and do it again, whole.
sub dies
{
	my ($point, $sql, $prepare) = @_;

	$prepare->() if $prepare;
	my $died = die_at($point, $sql);
	value("SET client_min_messages = error; $sql");
	my $wrong = wrong();
	ok($died && $wrong eq '', "$sql dies at $point, and all is well")
	  or diag($died ? $wrong : 'it did not die');
	fails($point, $_, $sql, $prepare) foreach (sort keys %ERRORS);
	return;
}

sub fails
{
	my ($point, $error, $sql, $prepare, $more) = @_;

	$prepare->() if $prepare;
	my $seen = -s $node->logfile;
	my $failed = fail_at($point, $ERRORS{$error}, $sql, $more);
	my $crashed = slurp_file($node->logfile, $seen) =~ /was terminated by signal/;
	my $wrong = $crashed ? 'the server crashed' : wrong();
	ok($failed && $wrong eq '', "$sql meets $error at $point, and all is well in the same session")
	  or diag($failed ? $wrong : 'it met none');
	return;
}

# What is wrong now, but for what only the oracle knows.
sub wrong
{
	return value(q{
		SELECT c.* FROM sellometer_check() c WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker')
		UNION ALL SELECT 'purchases', false, sum(count) || ' of ' || sum(gmv), ''
			FROM sellometer.realtime_brand_hour WHERE event_type = 'purchase'
			HAVING (sum(count), sum(gmv)) IS DISTINCT FROM (} . "$rows, $rows * ($rows + 1) / 200.0" . q{)
		UNION ALL SELECT 'views', false, sum(count)::text, ''
			FROM sellometer.realtime_category_l3_hour WHERE event_type = 'view' HAVING sum(count) <> } . ($sessions + 1) . q{
		UNION ALL SELECT 'labels', false, count(*)::text, '' FROM (
			SELECT event_time, event_type, label AS key, count, gmv FROM sellometer.realtime_label_hour EXCEPT SELECT event_time, event_type, brand, count, gmv FROM sellometer.realtime_brand_hour) d
			HAVING count(*) > 0
		UNION ALL SELECT 'objects', false, count(*)::text, state FROM sellometer.objects WHERE state NOT IN ('done', 'backlog', 'archived', 'skipped')
			GROUP BY state});
}

# The oracle knows no texts, but their numbers; and rates, which have always been.
sub tell_oracle
{
	my $told = $node->basedir . '/told';

	remove_tree($told);
	write_file("$told/$_", slurp_file("$kept/$_") =~ s{\bsku-(\d+)\b}{value("SELECT sellometer_product_id('sku-$1')")}gre) foreach (files_below($kept));
	oracle_load($node, $told);
	value(q{INSERT INTO oracle.rate VALUES (1, 'EUR', '-infinity', 0.5); INSERT INTO oracle.tried SELECT object, 1 FROM oracle.object; SELECT oracle.relabel(); SELECT oracle.build()});
	return;
}

# --- each place ---

my $INGEST = 'CALL sellometer_ingest()';
my $MERGE = 'CALL sellometer_merge_backlog()';
my $ROLLUP = 'CALL sellometer_rollup()';
my $PRUNE = 'CALL sellometer_prune()';

value("INSERT INTO sellometer.currency_rates VALUES ('EUR', '-infinity', 0.5); SELECT sellometer_add_dimension('label', 'Brand', visits => true); SELECT sellometer_add_dimension('shop', of => 'source', visits => true);
	SELECT sellometer_count_visits(); SELECT sellometer_add_source('a', 'file://$in/', format => '{\"product_ids\": \"text\"}'); SELECT sellometer_alter_source('a', same_content => 'skip')");
keep_minutes('10 days');
$now += 3600;
live();
value($INGEST);

my @batch = qw(ingest.picked ingest.read visits.blocks apply.facts apply.views apply.tier apply.ledger ingest.commit ingest.committed);
dies($_, $INGEST, \&live) foreach (qw(list.superseded list.noted list.committed), @batch);
dies($_, $INGEST, sub { $now += 4200; live(); }) foreach (qw(fill.begun:3 fill.written fill.written:8));
dies($_, $INGEST, \&large) foreach (qw(large.validated large.part large.part:3 ingest.committed:2 apply.ledger:3));
dies($_, $MERGE, \&late) foreach (@batch);
dies($_, 'SELECT sellometer_retry(source, key) FROM sellometer.objects WHERE rows_rejected > 0', \&jumped)
  foreach (qw(reload.read apply.tier apply.ledger reload.recorded));
# One of two objects is a copy, and the batch is made anew without it.
dies('identity.judged', $INGEST, sub { live(); copy("$in/$newest", "$in/$newest.again") or die $!; live(); });
unlink(glob("$in/*.again"));
is(value(q{DELETE FROM sellometer.objects WHERE key LIKE '%.again' RETURNING state}), join("\n", ('skipped') x 3), 'a copy is skipped, each time');

# Where the bucket has a mark: changes of it are noted, and nobody is there to read the notes.
dies($_, $ROLLUP, sub { later(70) }) foreach (qw(rollup.mark rollup.add_up:3 rollup.added_up rollup.correct:2 rollup.finish
	rollup.finished));
dies('apply.noted', $MERGE, sub {
	value($ROLLUP);
	later(70);
	die_at('rollup.marked', $ROLLUP);
	put(-70);
	value($INGEST);
});
value($ROLLUP);
# An hour that is rolled up is changed with its minutes.
# Its name says that it is new; what its rows say later must not make it late.
dies('apply.tier:2', "SET sellometer.live_lateness = '3h'; $INGEST", sub { $now += 60; put(-130, named => 0); });
dies('apply.tier:2', $MERGE, sub { put(-130); value($INGEST); });
dies($_, "SET sellometer.pack_after = 0; SET sellometer.live_lateness = '4h'; $INGEST", sub { $now += 60 * 200; put($_) foreach (-190, -120, 0); })
  foreach (qw(apply.tier ingest.commit));

# Dimensions come and go; visits of what is loaded already are counted anew.
dies('dimension.dropped', "SELECT sellometer_drop_dimension('shop')", sub { value("SELECT sellometer_add_dimension('shop', of => 'source')") if value("SELECT count(*) FROM sellometer.dimensions WHERE name = 'shop'") == 0 });
dies('dimension.made', "SELECT sellometer_add_dimension('shop', of => 'source')", sub { value("SELECT sellometer_drop_dimension('shop')") if value("SELECT count(*) FROM sellometer.dimensions WHERE name = 'shop'") });
dies($_, $INGEST, sub {
	value(q{SELECT sellometer_drop_dimension('few')}) if value(q{SELECT count(*) FROM sellometer.dimensions WHERE name = 'few'});
	value(q{SELECT sellometer_add_dimension('few', 'Brand', max_keys => 1)});
	live();
}) foreach (qw(dimension.keys dimension.others));
is(value('SELECT keys, other_rows > 0 FROM sellometer.dimension_limits WHERE dimension = $$few$$'), '1|t', 'a dimension of few keys has others');
dies($_, "SELECT sellometer_count_visits('-infinity')", sub { value('SELECT sellometer_stop_visits()') }) foreach (qw(visits.filled visits.blocks));
dies($_, "CALL sellometer_relabel('relabelled.to.' || extract(epoch FROM now())::bigint, product_id => 1)", sub { }) foreach (qw(replay.hour:2 replay.written));

dies($_, $PRUNE, sub { something_to_prune(190) }) foreach (qw(prune.dropped prune.committed prune.done));
dies($_, "SET sellometer.pack_after = 0; $PRUNE", sub { something_to_pack() }) foreach (qw(pack.built pack.placed pack.committed));
dies($_, $PRUNE, sub { something_to_prune(48 * 60) }) foreach (qw(prune.views_noted prune.visits));
dies('rollup.under_lock:2', "SELECT sellometer_add_tier('day', '1 day', '5 years')", sub {
	value(q{SELECT sellometer_drop_tier(name, true) FROM sellometer.tiers WHERE name = 'day'});
});

# In a surge parse workers are fed while tables are written, and nobody may be left to feed them afterwards.
fails($_, 'an error of the server', $INGEST, sub { live() foreach (1 .. 5) }, "SET sellometer.surge_bytes = '1kB';")
  foreach (qw(ingest.read apply.views apply.tier apply.ledger ingest.commit));

# --- all together ---

tell_oracle();
is(value("SELECT * FROM oracle.diff_visits('30min', 'UTC') WHERE event_time >= (SELECT kept_from FROM sellometer.visit_state)"), '', 'sessions, buyers and orders are what the oracle says');
is(value('SELECT count(*) > 0 FROM sellometer.visits_day WHERE orders > 0'), 't', '... and there are some');
is(value('SELECT count(*) FROM sellometer.skus'), $files, 'texts are known, each once');
is(join("\n", tier_differences($node)), '', 'after all of it the tiers agree with the oracle');
carts_agree($node, 'after all of it');
is(value('SELECT * FROM oracle.diff_objects() LIMIT 10'), '', '... and so does the ledger');

# --- where the parts of a large object end ---

# With chunks of 100 rows: before a later hour once there are 100, or after 400; an event that is late ends none.
sub parts
{
	my @hours = @_;
	my $first = $now + 3600 - $now % 3600;
	my @events;

	for my $hour (@hours)
	{
		push @events, event(event_type => 'purchase', product_id => 1, price => ++$rows / 100,
			event_time => strftime('%Y-%m-%d %H:%M:%S', gmtime($first + 3600 * $hour->[0] + $_))) foreach (1 .. $hour->[1]);
	}
	$now = $first + 3600 * $hours[-1][0] + 600;
	$files++;
	put_content(strftime('%Y-%m-%d-%H-%M', gmtime($now)) . "-$files.csv", csv(@events));
	value($INGEST);
	return value(qq{SELECT string_agg(rows::text, ' ' ORDER BY from_row) FROM sellometer.object_parts p
		JOIN sellometer.objects o ON o.id = p.object_id WHERE key = '$newest'});
}
is(parts([ 0, 150 ], [ 1, 99 ], [ 2, 120 ], [ 3, 30 ]), '150 219 30', 'parts of a large object end with an hour');
is(parts([ 0, 950 ], [ 1, 20 ]), '400 400 150 20', '... or where there are too many rows');
is(parts([ 0, 110 ], [ -1, 10 ], [ 0, 40 ], [ 1, 5 ]), '160 5', '... not at a late event');

# --- archive: hours of one object each ---

my $ARCHIVE = 'CALL sellometer_archive()';
my $an_hour = sub { later(60) };

value("UPDATE sellometer.sources SET archive_url = 'file://$out/'; $ARCHIVE");
dies($_, $ARCHIVE, $an_hour) foreach (qw(archive.reserve archive.reserved archive.read archive.written archive.verified
	archive.recorded archive.packed archive.delete archive.deleted archive.done));
dies('archive.cleared', $ARCHIVE, sub {
	later(60);
	die_at('archive.written', $ARCHIVE);
});
is(value(q{SELECT count(*) FROM sellometer.archives WHERE archived_at IS NULL OR originals_deleted_at IS NULL}), '0', 'no archive is left unfinished');
is(join(' ', grep { !/\.csv\.gz$/ } files_below($out)), '', '... nor a piece of one');
is(join(' ', files_below($in)), value(q{SELECT string_agg(key, ' ' ORDER BY key) FROM sellometer.objects WHERE state = 'done'}),
	'... and the originals of all are gone');

# --- a user is forgotten, in an archive that was just made; what is below reads these archives too ---

dies($_, 'CALL sellometer_forget_user(1)', sub { later(60); value($ARCHIVE) })
  foreach (qw(forget.database forget.reserved forget.written forget.verified forget.recorded forget.exchanged));
is(value(q{SELECT count(*) FROM sellometer.archives WHERE archived_at IS NULL}), '0', 'nothing of it is left unfinished');
is(join(' ', files_below($out)), value(q{SELECT string_agg(key, ' ' ORDER BY key COLLATE "C") FROM sellometer.archives}), '... nor any old archive');

# --- replay, from these; replace, the newest that is archived by a content that has other products ---

my $hours = join(', ', map { "'" . strftime('%Y-%m-%d %H:00:00+00', gmtime($now - 3600 * $_)) . "'" } 5, 0);
dies($_, "SELECT sellometer_replay(NULL, $hours)") foreach (qw(replay.read replay.deleted replay.hour replay.hour:3 replay.written));

my $changed = $newest;
later(60);
for my $point (qw(replace.read replace.views replace.tiers replace.recorded))
{
	dies($point, "SELECT sellometer_retry('a', '$changed', replace => true)", sub {
		value($ARCHIVE);
		put_content($changed, slurp_file("$kept/$changed") =~ s{,purchase,(\d+),}{',purchase,' . ($1 + 10) . ','}gre);
		value($INGEST);
	});
}

# --- unload, of a large object that has the views of another ---

my $unloaded = 'unloaded.csv';
for (['unload.recorded', "SELECT sellometer_unload('a', '$unloaded')"],
	(map { [ $_, "CALL sellometer_unload_in_steps('a', '$unloaded')" ] } qw(unload.recorded:2 unload.part:3)))
{
	dies(@$_, sub {
		large();
		put_content($unloaded, slurp_file("$kept/$newest") =~ s{,purchase,(\d+),}{',purchase,' . ($1 + 20) . ','}gre);
		value($INGEST);
		value($MERGE);
	});
}
unlink("$kept/$unloaded");

# One of which only some parts were loaded.
large();
put_content('partly.csv', slurp_file("$kept/$newest") =~ s{,purchase,(\d+),}{',purchase,' . ($1 + 30) . ','}gre);
ok(die_at('large.part:5', $INGEST), 'dies between two parts');
is(value("SELECT state, resume_row > 0 FROM sellometer.objects WHERE key = 'partly.csv'"), 'pending|t', '... of this one');
value("SELECT sellometer_unload('a', 'partly.csv')");
is(value("SELECT state, resume_row, rows_total FROM sellometer.objects WHERE key = 'partly.csv'"), 'skipped|0|0', 'these are taken out');
unlink("$kept/partly.csv");
value($INGEST);
# --- the worker: in a database of its own ---

my %DONE_BY_WORKER = (list => [qw(list.superseded list.noted list.committed)], batch => \@batch, large => [qw(large.validated large.part)]);
my $own = slm_directory($node, 'own');
my $put_own = 0;

$node->safe_psql('postgres', "CREATE EXTENSION sellometer; SELECT sellometer_count_visits(), sellometer_add_source('own', 'file://$own/')");

sub put_for_worker
{
	my ($n) = @_;

	$put_own++;
	$now += 60;
	write_object($own, strftime('%Y-%m-%d-%H-%M', gmtime($now)) . "-$put_own.csv", csv(map { event(event_type => 'purchase', user_session => "own$put_own",
		event_time => strftime('%Y-%m-%d %H:%M:%S', gmtime($now))) } 1 .. $n));
	wait_until($node, qq{SELECT count(*) = $put_own FROM sellometer.objects WHERE state = 'done'}, 'postgres');
	return $n;
}

sub worker_pid { return backend_pid($node, 'sellometer worker', 'postgres'); }

my $own_rows = put_for_worker(5);
my $worker = worker_pid();
my $mark = $node->data_dir . '/sellometer_crashed';

for my $error (sort keys %ERRORS)
{
	for my $what (sort keys %DONE_BY_WORKER)
	{
		for my $point (@{ $DONE_BY_WORKER{$what} })
		{
			unlink $mark;
			$node->safe_psql('postgres', "ALTER SYSTEM SET sellometer.debug_crash_point = '$point'");
			$node->safe_psql('postgres', "ALTER SYSTEM SET sellometer.debug_crash_sqlstate = '$ERRORS{$error}'; SELECT pg_reload_conf()");
			for (1 .. 20)
			{
				$own_rows += put_for_worker($what eq 'large' ? 250 : 5);
				last if -e $mark;		# else it had not read the settings yet
			}
			ok(-e $mark && worker_pid() == $worker, "the worker meets $error at $point, and loads on");
		}
	}
}
$node->safe_psql('postgres', "ALTER SYSTEM RESET sellometer.debug_crash_point");
is($node->safe_psql('postgres', q{SELECT sum(rows_counted), (SELECT sum(count) FROM sellometer.realtime_brand_hour) FROM sellometer.objects}),
	"$own_rows|$own_rows", '... each row once');
is($node->safe_psql('postgres', q{SELECT * FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks|pg_cron)'}), '', '... and all is well');

tell_oracle();
# It wants all objects to be in state done, which is what they are not meant to be here.
is(join("\n", grep { !/^[^|]*\|(archived|skipped)\|/ } tier_differences($node)), '',
	'after archive, replay and replace the tiers agree with the oracle');

my %named;
for my $file (glob slm_root() . '/src/*/*.c')
{
	$named{$_}++ foreach (slurp_file($file) =~ /SLM_CRASH_POINT\("([^"]+)"\)/g);
}
is(join(' ', sort keys %visited), join(' ', sort keys %named), 'every place that the source names was visited');

$node->stop;
done_testing();
