# An object is what it holds: whatever it is called, and however often it is put, its rows count once.
use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $HEADER = "event_time,event_type,product_id,price\n";

# No worker: each case says when there is a look.  Small parts, so that a large object is one of few rows.
my $node = slm_node('identity', conf => <<'CONF');
fsync = off
sellometer.database = 'postgres'
sellometer.live_lateness = '1h'
CONF
my $small_chunks = can_make_chunks_small($node);
my $in = slm_directory($node, 'in');
my $out = slm_directory($node, 'out');

sub value { return $node->safe_psql('shop', "SET client_min_messages = warning; $_[0]"); }
sub ingest { value("CALL sellometer_ingest(); CALL sellometer_merge_backlog()"); return; }

# Each content sells a product of its own, so that the sums say which contents were counted, and how often.
my $products = 0;
my %expected;		# product => purchases

sub content
{
	my ($rows, %more) = @_;
	my $product = ++$products;

	$expected{$product} = $rows if !$more{not_counted};
	return $HEADER . join('', map { sprintf("2019-10-01 %s:%02d:%02d,purchase,%d,2.50\n", $more{hour} // '10', $_ / 60 % 60, $_ % 60, $product) }
		1 .. $rows);
}

# Written beside and moved there, as everybody should.
sub put
{
	my ($key, $content, $dir) = @_;

	write_object($dir // $in, $key, $content);
	return;
}

sub mv
{
	my ($from, $to) = @_;

	make_path(dirname("$in/$to"));
	rename("$in/$from", "$in/$to") or die "can't rename $from: $!";
	return;
}

# The last row of a key: its state, and how often the key is there.
sub state_of
{
	my ($key, $source) = @_;

	return value("SELECT state FROM sellometer.objects WHERE key = '$key'"
		. ($source ? " AND source = '$source'" : '') . ' ORDER BY id DESC LIMIT 1');
}

sub error_of { return value("SELECT error FROM sellometer.objects WHERE key = '$_[0]' ORDER BY id DESC LIMIT 1"); }

# The sums are those of each content once, and the checks agree.
sub counts_once
{
	my ($name, $but) = @_;
	my $is = value(q{SELECT string_agg(product_id || ':' || n, ' ' ORDER BY product_id)
		FROM (SELECT product_id, sum(count) n FROM sellometer.product_id_minute GROUP BY 1) p});

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $ok = is($is, join(' ', map { "$_:$expected{$_}" } sort { $a <=> $b } keys %expected), "$name: each content counts once");
	is(value(q{SELECT string_agg(name || ': ' || detail, '; ') FROM sellometer_check()
		WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects')}
		# a history removes files for good, and check says so
		. ($_[0] =~ /^history/ || $but ? " AND name <> 'unreadable objects'" : '')), '', "... sellometer_check() agrees");
	is(value("SELECT string_agg(key || ': ' || error, '; ') FROM sellometer.objects WHERE state = 'failed'"), '', '... and nothing has failed');
	return $ok;
}

value(q{ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'skip'});
value("SELECT sellometer_add_source('a', 'file://$in/')");

# --- names ---

put('x.csv.upload', content(3));
put('in.csv', content(4));
put('day/1.csv', content(5));
put('day/2.csv', content(6));
ingest();
mv('x.csv.upload', 'x.csv');
mv('in.csv', 'processed/in.csv');
rename("$in/day", "$in/archive-of-day") or die $!;
ingest();
counts_once('renamed and moved');
is(state_of($_), 'skipped', "$_ is skipped") foreach (qw(x.csv processed/in.csv archive-of-day/1.csv archive-of-day/2.csv));
like(error_of('x.csv'), qr/^same content as object "x\.csv\.upload" of source "a", which is counted/, 'which says of what it is the same');

# --- the same name ---

my $key = 'x.csv';
utime(time - 500, time - 500, "$in/x.csv") or die $!;
ingest();
counts_once('touched under its second name');
put('t.csv', content(7));
ingest();
for my $how (qw(touched put-again restored packed))
{
	if ($how eq 'touched') { utime(time - 1000, time - 1000, "$in/t.csv") or die $!; }
	if ($how eq 'put-again') { put('t.csv', slurp_file("$in/t.csv")); }
	if ($how eq 'restored') { system('cp', '-a', "$in/t.csv", "$out/t") == 0 && unlink("$in/t.csv") && rename("$out/t", "$in/t.csv") or die; }
	if ($how eq 'packed') { put('t.csv', gzipped(slurp_file("$in/t.csv"))); }
	ingest();
	counts_once("$how under the same name");
	is(value(q{SELECT count(*) || ' ' || min(state) FROM sellometer.objects WHERE key = 't.csv'}), '1 done', '... the object is just as it was');
	is(value(qq{SELECT o.etag = l.etag AND o.size = l.size FROM sellometer.objects o, sellometer_list('file://$in/') l
		WHERE o.key = 't.csv' AND l.key = 't.csv'}), 't', '... and is found by its new ETag');
}
put('t.csv.gz', gzipped(slurp_file("$in/archive-of-day/1.csv")));
ingest();
is(state_of('t.csv.gz'), 'skipped', 'packed under another name');

# --- changed ---

my $was = slurp_file("$in/t.csv");
put('t.csv', content(2, not_counted => 1));
ingest();
is(state_of('t.csv'), 'failed', 'other bytes under a known name are a changed object');
like(error_of('t.csv'), qr/^the object has changed since it was loaded, and before it was archived: its first content stays counted.*; sellometer_skip\(\) puts this one aside$/,
	'... and the hint is one that works');
value("SELECT sellometer_skip('a', 't.csv')");
put('t.csv', $was);
ingest();
counts_once('changed, and back again');
put('again.csv', $HEADER . "2019-10-01 10:00:01,purchase,$products,2.50\n2019-10-01 10:00:02,purchase,$products,2.50\n");
ingest();
is(state_of('again.csv'), 'skipped', 'what was put aside does not come back under another name');
like(error_of('again.csv'), qr/same content as object "t\.csv" of source "a", which was put aside \(sellometer_retry\(\) loads it\)/, '... which is said');
value("SELECT sellometer_retry('a', 'again.csv')");
ingest();
$expected{$products} = 2;
counts_once('unless somebody wants it');

# --- names change places ---

# Where each object is, by the product that it sells.
sub places
{
	return value(q{SELECT string_agg(key, ' ' ORDER BY id) FROM sellometer.objects WHERE state IN ('done', 'archived') AND id > } . $_[0]);
}

# What has been moved about can be read again, and makes the same sums.
sub replayed
{
	value("SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
	counts_once("$_[0], and made anew");
	return;
}

my $last = value('SELECT max(id) FROM sellometer.objects');
put($_, content(2)) foreach (qw(left.csv right.csv));
ingest();
sub swap { mv('left.csv', 'tmp.csv'); mv('right.csv', 'left.csv'); mv('tmp.csv', 'right.csv'); return; }
swap();
ingest();
counts_once('names that change places');
is(places($last), 'left.csv right.csv', '... nobody has looked where they are');
replayed('names that have changed places');
is(places($last), 'right.csv left.csv', '... they are found by what they hold');
swap();
ingest();
counts_once('and back again');
swap();
swap();
replayed('and back again');
is(places($last), 'left.csv right.csv', '... found again');

# Three in a ring, and a chain as of logs that are rotated; the last one falls out, and its bytes are somewhere else.
$last = value('SELECT max(id) FROM sellometer.objects');
put("log.$_", content(1 + $_)) foreach (1 .. 4);
ingest();
mv('log.4', 'old/log.4');
mv('log.' . $_, 'log.' . ($_ + 1)) foreach (3, 2, 1);
put('log.1', content(3));
ingest();
counts_once('rotated names');
replayed('rotated names');
is(places($last), 'log.2 log.3 log.4 old/log.4 log.1', '... each is found, and the new one is where the first was');
mv('log.1', 'tmp.csv');
mv('log.' . ($_ + 1), 'log.' . $_) foreach (1, 2);
mv('tmp.csv', 'log.3');
ingest();
replayed('a ring');
is(places($last), 'log.1 log.2 log.4 old/log.4 log.3', '... of three');

# The name is used again before the first content is seen under its new one.
put('now.csv', content(2));
ingest();
rename("$in/now.csv", "$out/away.csv") or die $!;
put('now.csv', content(3));
delete $expected{ $products };
ingest();
is(state_of('now.csv'), 'failed', 'a name that is used again, and the first content nowhere to be seen');
$expected{$products} = 3;
rename("$out/away.csv", "$in/then.csv") or die $!;
ingest();
replayed('a name that is used again');
is(state_of($_), 'done', "... $_ is loaded") foreach (qw(now.csv then.csv));

# --- equal ones at the same time ---

my $twin = content(8);
put("twins/$_.csv", $twin) foreach (1 .. 4);
put('single.csv', content(9));
ingest();
counts_once('four that are equal, in one batch');
is(value("SELECT string_agg(state, ' ' ORDER BY state) FROM sellometer.objects WHERE key LIKE 'twins/%'"), 'done skipped skipped skipped',
	'one of them is counted');

# --- nothing there at first ---

put('grows.csv', '');
put('header.csv', $HEADER);
put('rejected.csv', $HEADER . "yesterday,purchase,1,1\n");
ingest();
is(value("SELECT string_agg(state || ' ' || rows_total, ', ' ORDER BY key) FROM sellometer.objects WHERE key IN ('grows.csv', 'header.csv')"),
	'done 0, done 0', 'objects without rows are done, and no one is the other\'s twin');
put($_, content(2)) foreach (qw(grows.csv rejected.csv));
put('header.csv', my $filled = content(2));
ingest();
counts_once('a first content of which nothing was counted');
is(state_of($_), 'done', "$_ is loaded") foreach (qw(grows.csv header.csv rejected.csv));
put('header.csv', $HEADER);
ingest();
is(state_of('header.csv'), 'failed', 'but an empty content does not take the place of rows');
value("SELECT sellometer_skip('a', 'header.csv')");
put('header.csv', $filled);

# --- put aside before it was read ---

put('never.csv', content(3, not_counted => 1));
value("SELECT sellometer_enable_source('a', false)");
$node->safe_psql('shop', "INSERT INTO sellometer.objects (source, key, etag, size, last_modified)
	SELECT 'a', key, etag, size, last_modified FROM sellometer_list('file://$in/never.csv') l (k, size, etag, last_modified), (VALUES ('never.csv')) v (key)");
value("SELECT sellometer_skip('a', 'never.csv'); SELECT sellometer_enable_source('a', true)");
mv('never.csv', 'never-again.csv');
ingest();
is(state_of('never-again.csv'), 'skipped', 'a file that was put aside unread does not come back under another name');

# --- a source whose equal objects are different ones ---

my $each = slm_directory($node, 'each');
value("SELECT sellometer_add_source('each', 'file://$each/'); SELECT sellometer_alter_source('each', same_content => 'count')");
my $same = content(2);
put("$_.csv", $same, $each) foreach (1 .. 3);
ingest();
put('4.csv', $same, $each);
ingest();
put('4.csv', $same, $each);
ingest();
$expected{$products} = 8;
counts_once('same_content = count: four servers, one of which has put its object twice');
put('5.csv', slurp_file("$in/single.csv"), $each);
ingest();
is(state_of('5.csv'), 'done', '... equal to one of another source, it counts there');
my ($single) = slurp_file("$in/single.csv") =~ /purchase,(\d+)/;
$expected{$single} *= 2;
counts_once('another source');

# --- parse workers ---

my $surge = slm_directory($node, 'surge');
value("SELECT sellometer_add_source('surge', 'file://$surge/')");
for my $n (1 .. 40)
{
	my $content = content(2);
	put("a-$n.csv", $content, $surge);
	put("b-$n.csv", $content, $surge) if $n % 3 == 0;
}
value("SET sellometer.surge_bytes = '1kB'; CALL sellometer_ingest()");
counts_once('through parse workers');
is(value("SELECT count(*) FROM sellometer.objects WHERE source = 'surge' AND state = 'skipped'"), '13', '... the equal ones are skipped');

# --- objects in parts ---

SKIP:
{
	skip 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING', 10 if !$small_chunks;
	my $large = content(350);
	put('large.csv', $large);
	value("SET sellometer.debug_chunk_rows = 100; CALL sellometer_ingest()");
	counts_once('a large object');
	put('large-too.csv', $large);
	utime(1e9, 1e9, "$in/large.csv");
	value("SET sellometer.debug_chunk_rows = 100; CALL sellometer_ingest()");
	counts_once('a large object, copied and touched');
	is(state_of('large-too.csv'), 'skipped', '... the copy is skipped');
	is(state_of('large.csv'), 'done', '... the other is as it was');
}

# --- archived ---

value("SELECT sellometer_alter_source('a', archive_url => 'file://$out/')");
put('later.csv', content(1, hour => 13));
put('packed.csv', my $packed = content(4));
ingest();
value('CALL sellometer_rollup(); CALL sellometer_archive()');
is(state_of('packed.csv'), 'archived', 'an archived object');
put('packed.csv', $packed);
put('renamed.csv', $packed);
ingest();
is(state_of($_), 'skipped', "$_ has come back, and is skipped") foreach (qw(packed.csv renamed.csv));
$node->safe_psql('shop', 'CALL sellometer_rollup()');
counts_once('after its content was archived');
value("SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
counts_once('and after a replay');
is(value(q{SELECT count(*) FROM sellometer.objects WHERE key LIKE '%.upload' OR key LIKE 'day/%'}), '0',
	'... which has found what was renamed, and has it under its new name');

# The name of one that is archived, or whose bytes are gone for good, is taken by another that is counted.
put('b.csv', content(3, hour => 14));
put('c.csv', content(4, hour => 15));
put('d.csv', my $overwritten = content(5, hour => 16));
put('later-too.csv', content(1, hour => 18));
ingest();
unlink("$in/packed.csv") or die $!;
mv('b.csv', 'packed.csv');
mv('c.csv', 'd.csv');
ingest();
counts_once('names that are taken over', "unreadable objects");
value("SELECT sellometer_replay(NULL, '2019-10-01 10:00Z', '2019-10-01 16:00Z')");
counts_once('names that are taken over, and made anew', "unreadable objects");
is(value("SELECT key FROM sellometer.objects WHERE state = 'done' AND first_event >= '2019-10-01 14:00Z' AND first_event < '2019-10-01 17:00Z' ORDER BY id")
		=~ s/object \d+/object N/gr, "packed.csv\nd.csv\nd.csv (replaced, object N)", '... have the content that is there now');
is(value("SELECT state FROM sellometer.objects WHERE key LIKE 'packed.csv (replaced, object %)'"), 'archived', '... the other is as it was');
is(value("SELECT regexp_replace(key, '\\d+', 'N'), rows, problem FROM sellometer.unreadable_objects"), 'd.csv (replaced, object N)|5|overwritten before it was archived',
	'... and one whose bytes are gone is named');
put('found.csv', $overwritten);
ingest();
replayed('bytes that were found again');
is(value("SELECT count(*) FROM sellometer.unreadable_objects"), '0', '... and nothing is missing');

# --- two backends at the same time ---

my $race = slm_directory($node, 'race');
put("$_.csv", content(20), $race) foreach (1 .. 30);
my @one = files_below($race);
copy("$race/$_", "$race/copy-$_") foreach (@one);
value("SELECT sellometer_add_source('race', 'file://$race/')");
my @sessions = map {
	my ($stdout, $stderr) = ('', '');
	IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('shop'), '-c', "SET sellometer.batch_bytes = '64kB'; SET client_min_messages = error",
		'-c', 'CALL sellometer_ingest()' ], '<', \undef, '>', \$stdout, '2>', \$stderr);
} 1 .. 3;
$_->finish foreach (@sessions);
ingest();
counts_once('three backends that load copies of each other\'s objects');

# --- the index serves, however many objects there are ---

like(value(q{SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;
	PREPARE find (uuid) AS SELECT FROM sellometer.objects c WHERE c.checksum = $1 AND c.id <> 1 AND c.rows_total > 0
		AND (c.state IN ('done', 'archived') OR c.resume_row > 0) AND c.rows_counted + c.rows_duplicate > 0 LIMIT 1;
	EXPLAIN (COSTS off) EXECUTE find ('00000000-0000-0000-0000-000000000000')}), qr/Index Scan using objects_content/, 'contents are looked up by an index');

# --- sources that go, come and move ---

my $place = slm_directory($node, 'place');
sub ledger { return value("SELECT string_agg(source || '/' || key || ' ' || state, ', ' ORDER BY source COLLATE \"C\", key) FROM sellometer.objects WHERE $_[0]"); }
put("p/$_.csv", content(2), $place) foreach (1, 2);
value("SELECT sellometer_add_source('web', 'file://$place/p/')");
ingest();
my $objects = value('SELECT max(id) FROM sellometer.objects');
for my $step (
	[ 'another name', q{sellometer_drop_source('web')}, qq{sellometer_add_source('shop', 'file://$place/p/')}, 'shop/1.csv done, shop/2.csv done' ],
	[ 'a place around it', q{sellometer_drop_source('shop')}, qq{sellometer_add_source('all', 'file://$place/')}, 'all/p/1.csv done, all/p/2.csv done, all/q/3.csv done' ],
	[ 'a place inside it', q{sellometer_drop_source('all')}, qq{sellometer_add_source('q', 'file://$place/q/')}, 'all/p/1.csv done, all/p/2.csv done, q/3.csv done' ],
	[ 'a prefix that is no directory', q{sellometer_wake()}, qq{sellometer_add_source('no', 'file://$place/p/1')}, 'all/p/2.csv done, no/.csv done, q/3.csv done' ],
	[ 'the rest', q{sellometer_drop_source('no')}, qq{sellometer_add_source('all', 'file://$place/p/')}, 'all/1.csv done, all/2.csv done, q/3.csv done' ])
{
	my ($name, $drop, $add, $is) = @$step;

	put('q/3.csv', content(2), $place) if $name eq 'a place around it';
	value("SELECT $drop; SELECT $add");
	ingest();
	counts_once("a source dropped and added at $name");
	is(ledger("source IN ('web', 'shop', 'all', 'q', 'no')"), $is, '... the ledger knows its objects by their URL');
}
cmp_ok(value('SELECT max(id) FROM sellometer.objects'), '<=', $objects + 1, '... and nothing was read again');
rename("$place/p", "$place/moved") or die $!;
value("SELECT sellometer_move_source('all', 'file://$place/moved/')");
ingest();
counts_once('a directory that was moved');
system('cp', '-a', "$place/moved", "$place/copied") == 0 or die;
value("SELECT sellometer_move_source('all', 'file://$place/copied/')");
put('4.csv', content(3), "$place/copied");
ingest();
counts_once('a directory that was copied, and has something new');
is(ledger("source = 'all'"), 'all/1.csv done, all/2.csv done, all/4.csv done', '... its objects are those that were there before');
make_path("$place/else");
put('3.csv', content(2), "$place/else");
value("SELECT sellometer_drop_source('q'); SELECT sellometer_add_source('q', 'file://$place/else/')");
ingest();
counts_once('the same name and key at another place');
like(ledger("key = '3.csv' AND source LIKE 'q%'"), qr{^(q/3\.csv done, q \(file://\Q$place\E/q/\)/3\.csv done|q \(file://\Q$place\E/q/\)/3\.csv done, q/3\.csv done)$}, '... are two objects');
value("SELECT sellometer_drop_source('q'); SELECT sellometer_add_source('q', 'file://$place/q/')");
ingest();
counts_once('and back again');
symlink("$place/copied", "$place/link") or die $!;
value("SELECT sellometer_add_source('link', 'file://$place/link/')");
ingest();
counts_once('a link to a directory of another source');
value("SELECT sellometer_drop_source('link')");
for my $wrong (
	[ qq{sellometer_move_source('all', 'file://$place/q/')}, qr/source "all" would overlap with source "q"/ ],
	[ qq{sellometer_alter_source('all', archive_url => 'file://$place/copied/')}, qr/archive_url must not be inside url/ ],
	[ q{sellometer_alter_source('all', same_content => 'perhaps')}, qr/same_content must be "skip" or "count"/ ],
	[ q{sellometer_alter_source('none')}, qr/source "none" does not exist/ ])
{
	my ($status, $stdout, $stderr) = $node->psql('shop', "SELECT $wrong->[0]");
	like($stderr, $wrong->[1], $wrong->[0] =~ s/file:.*?copied.*|file:.*/.../r);
}

# --- any history ---

for my $seed (split(/ /, $ENV{SLM_SEEDS} // '1 2'))
{
	my $dir = slm_directory($node, "history$seed");
	my %there;		# key => product
	my %text;		# by product
	my $names = 0;
	my $source = "h$seed-0";
	my @did;

	srand($seed);
	mkdir "$dir/in" or die $!;
	value("SELECT sellometer_add_source('$source', 'file://$dir/in/')");
	my $new = sub {
		my ($key, $rows) = @_;
		my $text = content($rows, hour => 19 + $seed % 5);
		$text{$products} = $text;
		$there{$key} = $products;
		put($key, $text, "$dir/in");
	};
	my %step = (
		new => sub { $new->("new$names.csv", 1 + int rand 5); },
		empty => sub { my $key = "empty$names.csv"; put($key, pick('', $HEADER), "$dir/in"); $there{$key} = 0; },
		fill => sub {
			my ($key) = grep { !$there{$_} } sort keys %there;
			$new->($key, 2) if defined $key;
		},
		rename => sub {
			my $key = pick(sort keys %there) // return;
			my $to = pick('', 'done/', 'x/y/') . "name$names.csv";
			make_path(dirname("$dir/in/$to"));
			rename("$dir/in/$key", "$dir/in/$to") or die $!;
			$there{$to} = delete $there{$key};
		},
		swap => sub {
			my ($one, $two) = (pick(sort keys %there) // return, pick(sort keys %there));
			return if $one eq $two;
			rename("$dir/in/$one", "$dir/tmp") && rename("$dir/in/$two", "$dir/in/$one") && rename("$dir/tmp", "$dir/in/$two") or die $!;
			@there{ $one, $two } = @there{ $two, $one };
		},
		reuse => sub {
			my $key = pick(grep { $there{$_} } sort keys %there) // return;
			rename("$dir/in/$key", "$dir/in/was$names.csv") or die $!;
			$there{"was$names.csv"} = $there{$key};
			$new->($key, 3);
			ingest();
		},
		copy => sub {
			my $key = pick(sort keys %there) // return;
			copy("$dir/in/$key", "$dir/in/copy$names.csv") or die $!;
			$there{"copy$names.csv"} = $there{$key};
		},
		touch => sub { my $key = pick(sort keys %there) // return; my $time = 1e9 + int rand 1e6; utime($time, $time, "$dir/in/$key") or die $!; },
		again => sub { my $key = pick(sort keys %there) // return; put($key, slurp_file("$dir/in/$key"), "$dir/in"); },
		pack => sub {
			my $key = pick(grep { $there{$_} } sort keys %there) // return;
			my $content = slurp_file("$dir/in/$key");
			put($key, gzipped($content), "$dir/in") if $content !~ /^\x1f/;
		},
		remove => sub { my $key = pick(sort keys %there) // return; unlink("$dir/in/$key") or die $!; delete $there{$key}; },
		restore => sub { system('cp', '-a', "$dir/in", "$dir/copy") == 0 && system('rm', '-rf', "$dir/in") == 0 && rename("$dir/copy", "$dir/in") or die; },
		move => sub {
			system('mv', "$dir/in", "$dir/away") == 0 or die;
			value("SELECT sellometer_move_source('$source', 'file://$dir/away/')");
			ingest() if pick(0, 1);
			system('mv', "$dir/away", "$dir/in") == 0 or die;
			value("SELECT sellometer_move_source('$source', 'file://$dir/in/')");
		},
		source => sub {
			my $new = pick("h$seed-" . ($names % 3), "h$seed-$names");
			value("SELECT sellometer_drop_source('$source'); SELECT sellometer_add_source('$new', 'file://$dir/" . pick('in/', '', 'i') . "')");
			ingest() if pick(0, 1);
			value("SELECT sellometer_drop_source('$new'); SELECT sellometer_add_source('$source', 'file://$dir/in/')");
		});

	for my $round (1 .. 12)
	{
		for (1 .. 4)
		{
			$names++;
			push @did, pick('new', 'new', sort keys %step);
			$step{ $did[-1] }->();
		}
		# what goes before anybody has looked is nobody's
		push @did, 'look';
		value(pick('SET sellometer.surge_bytes = \'1kB\'', 'SELECT') . '; CALL sellometer_ingest(); CALL sellometer_merge_backlog()');
		my %lost = map { $_ => 1 } split(/\n/, value('SELECT generate_series(1, ' . $products . ') EXCEPT SELECT product_id FROM sellometer.product_id_minute'));
		my %is_there = map { $_ => 1 } values %there;
		delete $expected{$_} foreach (grep { $lost{$_} && !$is_there{$_} } keys %expected);
	}
	# a name that was listed and is gone is the only thing that may fail
	value("DELETE FROM sellometer.objects WHERE state = 'failed' AND sqlstate = '58P01'");
	counts_once("history $seed") or note(join(' ', @did));
	# What went for good comes back, and all can be read.
	my %is_there = map { $_ => 1 } values %there;
	put("back$_.csv", $text{$_}, "$dir/in") foreach (grep { $expected{$_} && !$is_there{$_} } keys %text);
	ingest();
	value(sprintf("SELECT sellometer_replay(NULL, '2019-10-01 %02d:00Z', '2019-10-01 %02d:00Z')", 19 + $seed % 5, 20 + $seed % 5));
	counts_once("history $seed, made anew") or note(join(' ', @did));
}

$node->stop;
done_testing();
