# sellometer_unload(): as if an object had never been loaded; and what can be done where a counted object is gone.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmTest;
use List::Util qw(shuffle);
use Test::More;

my $seed = $ENV{SLM_SEEDS} // 1;
my $node = slm_node('take_out', conf => "fsync = off\nlog_checkpoints = off\nsellometer.poll_interval = 50ms\nsellometer.debug_chunk_rows = 300\n");
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
my %dir = map { $_ => slm_directory($node, $_) } qw(in now out);

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }

sub said
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('shop', $sql, on_error_stop => 0);
	return $stderr;
}

# All that a database holds of its objects, bit for bit.
sub holds
{
	my ($db) = @_;
	my @queries = ("SELECT tier, event_time, event_type, count, gmv FROM sellometer.totals ORDER BY 1, 2, 3",
		'SELECT * FROM sellometer.carts ORDER BY user_session, product_id', 'SELECT FROM sellometer.fold_user_carts()', 'SELECT * FROM sellometer.user_carts ORDER BY user_id, product_id',
		'SELECT FROM sellometer.fold_offers()', 'SELECT * FROM sellometer.offer_history ORDER BY product_id, day, event_type, price, category',
		'SELECT * FROM sellometer.recent_sales ORDER BY product_id, minute, price, category',
		'SELECT * FROM sellometer.sold_products ORDER BY product_id, category',
		q{SELECT * FROM sellometer.recent_views((SELECT head - interval '15 minutes' FROM sellometer.state), (SELECT head FROM sellometer.state)) ORDER BY 1, 2, 3},
		q{SELECT * FROM sellometer_top('product_id', 'purchase', '-infinity', 'infinity', 20)},
		q{SELECT * FROM sellometer_top('brand', 'view', '-infinity', 'infinity', 20)});
	for my $tier (qw(minute hour))
	{
		push @queries, "SELECT event_time, $_, event_type, count, gmv FROM sellometer.${_}_$tier ORDER BY 1, 2, 3"
		  foreach (qw(product_id brand category_l1 category_l2 category_l3));
	}
	return [ map { $node->safe_psql($db, "SET client_min_messages = warning; $_") } @queries ];
}

my $fresh = 0;
# A database that has only ever seen what there is in $dir{now}.
sub same_as_fresh
{
	my ($name) = @_;
	my $db = 'fresh' . $fresh++;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, $_)
	  foreach ('CREATE EXTENSION sellometer', "SELECT sellometer_add_source('a', 'file://$dir{now}/')",
		map { "SET client_min_messages = warning; CALL $_()" } qw(sellometer_ingest sellometer_merge_backlog sellometer_rollup sellometer_prune));
	value('CALL sellometer_rollup()');
	value('CALL sellometer_prune()');
	is_deeply(holds('shop'), holds($db), $name);
	is(value("SELECT string_agg(name || ': ' || detail, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'unreadable objects')"), '',
		"$name: sellometer_check() has nothing to say");
	$node->safe_psql('postgres', "DROP DATABASE $db");
	return;
}

sub put
{
	my ($key, $content) = @_;

	unlink("$dir{now}/$key", "$dir{in}/$key");
	write_object($dir{now}, $key, $content);
	link_object($dir{now}, $dir{in}, $key);
	return;
}

sub unload
{
	my ($key, $how) = @_;
	my $rows = value("SELECT rows_counted + rows_duplicate FROM sellometer.objects WHERE key = '$key' AND state IN ('done', 'archived')");

	if ($how eq 'in steps') { value("CALL sellometer_unload_in_steps('a', '$key')"); }
	else { is(value("SELECT sellometer_unload('a', '$key')"), $rows, "$key: all of its rows"); }
	unlink("$dir{now}/$key");
	is(value("SELECT state, rows_total, unloaded_rows, error FROM sellometer.objects WHERE key = '$key'"),
		'skipped|0|0|taken out by sellometer_unload()', "$key: the ledger says so");
	return;
}

srand($seed);
traffic($dir{now}, '--seed' => $seed, '--minutes' => 130, '--servers' => 3, '--rate' => 60, '--products' => 40, '--sticky' => 0.2,
	'--session-gap' => 200, '--bad' => 0.02, '--bad-kinds' => 'bad_time,bad_price,column_count,future', '--gzip' => 0);
my @keys = files_below($dir{now});
# One that has rows of all times, many of them again, and is loaded in parts; not in the order of time.
my (@lines, $header);
for my $key (@keys)
{
	($header, my @more) = split(/^/m, slurp_file("$dir{now}/$key"));
	push @lines, grep { chomp; rand() < 0.9 } @more;
}
my $large = '2019-10-01-00-40-large.csv';
write_object($dir{now}, $large, $header . join("\n", map { s/:(\d)\d UTC,view/:${\($1 > 0 ? $1 - 1 : 0)}0 UTC,view/r } shuffle(@lines)) . "\n");
link_object($dir{now}, $dir{in}, $_) foreach (files_below($dir{now}));
value("SELECT sellometer_add_source('a', 'file://$dir{in}/', archive_url => 'file://$dir{out}/')");
wait_until_loaded($node);
value('CALL sellometer_merge_backlog()');
cmp_ok(value("SELECT count(*) FROM sellometer.object_parts"), '>', 2, 'a large object was loaded in parts');
same_as_fresh('before');

# Originals: small ones, late ones, and all of the large one.
my @some = shuffle(grep { $_ lt '2019-10-01-01-50' } @keys);
unload($_, 'at once') foreach (@some[ 0 .. 3 ]);
same_as_fresh('four of them');
like(said("SELECT sellometer_unload('a', '$some[0]')"), qr/nothing of object .* is counted/, 'once more: nothing');
is(value("SELECT sellometer_unload('a', '$some[0]')"), '0', 'no rows');

# Broken off in between: it counts as if it had only the rest, for all that reads it again; then it goes on.
my $copy = slurp_file("$dir{now}/$large");
like(said("SET sellometer.debug_crash_point = 'unload.part:2'; SET sellometer.debug_crash_sqlstate = '57014'; CALL sellometer_unload_in_steps('a', '$large')"),
	qr/ERROR/, 'broken off');
is(value("SELECT state, unloaded_rows >= 600, rows_total > 5000 FROM sellometer.objects WHERE key = '$large'"), 'done|t|t', 'between two parts');
my $half = holds('shop');
value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
is_deeply(holds('shop'), $half, 'replay knows which of its rows count');
value('CALL sellometer_archive()');
is(value("SELECT state FROM sellometer.objects WHERE key = '$large'"), 'done', 'and it is not archived');
unload($large, 'in steps');
same_as_fresh('a large one in steps');
is(value("SELECT outcome FROM sellometer.runs WHERE procedure = 'unload' ORDER BY id"), "failed\ndone", 'the runs are listed');

# Back again, as other bytes; and out at once.
put($large, "$copy\n");
wait_until_loaded($node);
value('CALL sellometer_merge_backlog()');
same_as_fresh('a later content under its key is loaded');
is(value("SELECT sellometer_unload('a', '$large') > 3000"), 't', 'and taken out at once');
unlink("$dir{now}/$large");
same_as_fresh('at once');

# From archives, where replay and later files must know of it.
value('CALL sellometer_rollup()');
value('CALL sellometer_archive()');
my @archived = grep { value("SELECT state FROM sellometer.objects WHERE key = '$_'") eq 'archived' } @some[ 4 .. 9 ];
cmp_ok(scalar @archived, '>', 3, 'some are archived');
unload($archived[0], 'at once');
unload($archived[1], 'in steps');
unload($archived[2], 'at once');
same_as_fresh('from an archive');
value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
same_as_fresh('after a replay');
# Exchanged: a small content for a large one, and that for a small one.
put($archived[3], "$copy\n\n");
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = '$archived[3]' AND state = 'failed'");
like(said("SELECT sellometer_retry('a', '$archived[3]', replace => true)"), qr/the new one waits to be loaded.*more than 300 rows/s, 'a large content');
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = '$archived[3]' AND state IN ('done', 'backlog')");
value('CALL sellometer_merge_backlog()');
same_as_fresh('instead of a small one');
value('CALL sellometer_archive()');
is(value("SELECT count(*) FROM sellometer.objects WHERE key = '$archived[3]' AND state = 'archived'"), '1', 'it is archived');
put($archived[3], slurp_file("$dir{now}/$some[11]") . "\n");
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = '$archived[3]' AND state = 'failed'");
is(value("SELECT sellometer_retry('a', '$archived[3]', replace => true)"), '1', 'a small content instead of a large one');
same_as_fresh('and back');
my ($late, @late) = split(/\n/, slurp_file("$dir{now}/$some[12]"));
put('2019-10-01-01-59-9.csv', join("\n", $late, map { s/^2019-10-01 \d\d/2019-10-01 00/r } @late) . "\n");
wait_until_loaded($node);
value('CALL sellometer_merge_backlog()');
same_as_fresh('after later views');

# --- what isn't counted, and who may ---

put('2019-10-01-02-00-bad.csv', "event_time,event_type\n");
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = '2019-10-01-02-00-bad.csv'");
value('CALL sellometer_merge_backlog()');
like(said("SELECT sellometer_unload('a', '2019-10-01-02-00-bad.csv')"), qr/nothing of object .* was counted: it is skipped now/, 'a failed one is skipped');
is(value("SELECT state FROM sellometer.objects WHERE key = '2019-10-01-02-00-bad.csv'"), 'skipped', 'so it is');
unlink("$dir{now}/2019-10-01-02-00-bad.csv", "$dir{in}/2019-10-01-02-00-bad.csv");
like(said("SELECT sellometer_unload('a', 'no such')"), qr/has no object "no such"/, 'one that there is not');
like(said("BEGIN; CALL sellometer_unload_in_steps('a', 'x')"), qr/can't run inside a transaction/, 'steps are transactions');
like(said("CREATE ROLE clerk; SET ROLE clerk; SELECT sellometer_unload('a', 'x')"), qr/permission denied/, 'not for everybody');

# --- counted objects that are gone ---

# Rows of an object at some time: views by sessions of its own, each with the product of its number, and purchases of product 1.
sub rows
{
	my ($time, $name, %more) = @_;
	my @events = map { event(event_time => "2019-10-0$time:0$_", event_type => 'view', product_id => $_, price => 5, user_session => "$name$_") } (1 .. 3);

	push @events, event(event_time => "2019-10-0$time:09", event_type => 'purchase', product_id => 1, price => 2.5, user_session => $name);
	push @events, event(event_time => "2019-10-0$time:10", event_type => 'view', product_id => 1, price => 4, user_session => $more{seen}) if $more{seen};
	push @events, event(event_time => "2019-10-0$time:11", event_type => 'cart', product_id => 2, price => 5, user_session => $more{cart}) if $more{cart};
	return csv(@events);
}

# What stays of it is known; its bytes go.
sub lose
{
	my ($key) = @_;

	unlink("$dir{in}/$key") or die "can't delete $key: $!";
	return;
}

sub load
{
	my (%objects) = @_;

	put($_, $objects{$_}) foreach (sort keys %objects);
	wait_until_loaded($node);
	value('CALL sellometer_merge_backlog()');
	return;
}

# One of one row, in another hour, is in nobody's way: neither before nor behind, and whatever kind of row.
load('2019-10-03-10-00-one.csv' => csv(event(event_time => '2019-10-03 10:00:00', event_type => 'purchase', product_id => 1, price => 2.5, user_session => 's1')),
	'2019-10-03-16-00-two.csv' => csv(event(event_time => '2019-10-03 16:00:00', product_id => 1, price => 5, user_session => 's2')),
	'2019-10-03-12-00-wrong.csv' => rows('3 12:00', 'w'), '2019-10-03-13-00-right.csv' => rows('3 13:00', 'r'));
lose('2019-10-03-10-00-one.csv');
lose('2019-10-03-16-00-two.csv');
like(value("SELECT detail FROM sellometer_check() WHERE name = 'unreadable objects'"),
	qr{^2 counted objects .*: a/2019-10-03-10-00-one\.csv, a/2019-10-03-16-00-two\.csv$}, 'check() names them');
unload('2019-10-03-12-00-wrong.csv', 'at once');
same_as_fresh('unloaded between two that are gone');
is(value("SELECT sellometer_replay('a', '2019-10-03 12:00Z', '2019-10-03 14:00Z')"), '4', 'a replay between them');
like(said("SELECT sellometer_replay('a', '2019-10-03 10:00Z', '2019-10-03 14:00Z')"), qr/one.csv" of source "a" can't be read.*sellometer_declare_lost\(\)/s,
	'one that needs it names it, and what can be done');
like(said("SELECT sellometer_unload('a', '2019-10-03-10-00-one.csv')"), qr/one.csv" of source "a" can't be read.*stays counted/s, 'it can\'t be taken out');

# Of the same session, later: this view might count now.
load('2019-10-04-10-00-wrong.csv' => rows('4 10:00', 'x'));
load('2019-10-04-11-00-gone.csv' => rows('4 11:00', 'y', seen => 'x1'), '2019-10-04-12-00-more.csv' => rows('4 12:00', 'z', seen => 'x1'));
lose('2019-10-04-11-00-gone.csv');
my $before = holds('shop');
like(said("SELECT sellometer_unload('a', '2019-10-04-10-00-wrong.csv')"),
	qr/gone.csv" of source "a" is gone or changed.*Of its 5 rows.*at most 3 views and 0 carts.*sellometer_declare_lost\('a', '2019-10-04-11-00-gone.csv'\)/s,
	'what may matter is named, with numbers');
is_deeply(holds('shop'), $before, 'and nothing has happened');
like(said("SELECT sellometer_declare_lost('a', '2019-10-04-12-00-more.csv')"), qr/is not lost: it can be read/, 'what is there is not lost');
like(value("SELECT * FROM sellometer_declare_lost('a', '2019-10-04-11-00-gone.csv')"), qr/^5\|2019-10-04 11:00:01\+00\|2019-10-04 11:00:10\+00\|5 rows stay counted/,
	'it is declared lost');
my $notice = said("SELECT sellometer_unload('a', '2019-10-04-10-00-wrong.csv')");
like($notice, qr/declared lost, this may not be exact.*At most 3 views/s, 'then it goes on, and says what may be wrong');
is(value("SELECT sum(count) FROM sellometer.view_product_id_minute WHERE event_time >= '2019-10-04' AND product_id = 1"), '3', 'the last view counts');
$before = holds('shop');
$notice = said("SELECT sellometer_replay('a', '2019-10-04 09:00Z', '2019-10-04 14:00Z')");
like($notice, qr/all is left as it is from 2019-10-04 11:00:00\+00 to 2019-10-04 11:01:00\+00.*gone.csv" of source "a", which was declared lost, has 5 rows/s,
	'a replay leaves its minutes alone');
is_deeply(holds('shop'), $before, 'and makes the rest what it was');
like(said("SELECT sellometer_unload('a', '2019-10-04-11-00-gone.csv')"), qr/was declared lost, so it can't be taken out/, 'nor can it be taken out');

# Overwritten before it was archived; check() names it.
load('2019-10-04-15-00-over.csv' => rows('4 15:00', 'o'));
put('2019-10-04-15-00-over.csv', rows('4 15:00', 'p'));
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = '2019-10-04-15-00-over.csv' AND state = 'failed'");
like(value("SELECT detail FROM sellometer_check() WHERE name = 'unreadable objects'"), qr/3 counted objects .*, a\/2019-10-04-15-00-over\.csv$/, 'check() names it');
is(value("SELECT key, rows, problem FROM sellometer.unreadable_objects"), '2019-10-04-15-00-over.csv|4|overwritten before it was archived', 'so does the view');
unlike(value("SELECT error FROM sellometer.objects WHERE key = '2019-10-04-15-00-over.csv' AND state = 'failed'"), qr/replace => true/, 'no hint at what can\'t work');
like(said("SELECT sellometer_retry('a', '2019-10-04-15-00-over.csv')"), qr/was loaded with another content before(?!.*replace)/s, 'here neither');
value("SELECT sellometer_skip('a', '2019-10-04-15-00-over.csv')");
value("SELECT sellometer_declare_lost('a', '2019-10-04-15-00-over.csv')");
unlike(value("SELECT detail FROM sellometer_check() WHERE name = 'unreadable objects'"), qr/over/, 'declared lost: no longer');

$node->stop;
done_testing();
