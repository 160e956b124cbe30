# sellometer_forget_user(): a user is gone from tables and archives, nobody else is, and no sum has changed, nor does by a replay.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use IO::Uncompress::Gunzip qw(gunzip $GunzipError);
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $node = slm_node('forget', conf => <<'CONF');
fsync = off
sellometer.database = 'postgres'
sellometer.live_lateness = '1s'
sellometer.max_reject_fraction = 1
CONF
my ($in, $out) = map { slm_directory($node, $_) } qw(in out);
my $USER = 541312140;
my @mine = map { sprintf('72d76fde-8bb3-4e00-8c23-a032dfed73%02d', $_) } 1 .. 4;

sub value { return $node->safe_psql('shop', "SET client_min_messages = warning; $_[0]"); }
sub said { return ($node->psql('shop', $_[0]))[2]; }
sub load { value('CALL sellometer_ingest(); CALL sellometer_merge_backlog(); CALL sellometer_rollup()'); return; }
sub digest
{
	return join("\n", map { my $t = $_; map { value("SELECT md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) FROM sellometer.${_}_$t t") }
		  qw(product_id brand category_l1 category_l2 category_l3 channel) } qw(minute hour));
}

# --- files: of many users, with columns that nobody knows, one that a dimension is made of, and rows that can't be used ---

my $HEADER = 'event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session,email,event_id,note,channel';
my @others = map { sprintf('0badcafe-0000-4000-8000-%012d', $_) } 1 .. 20;

sub line
{
	my ($hour, $user, $session, $mail, %as) = @_;
	my %row = (
		time => sprintf('2019-10-01 %02d:%02d:%02d UTC', $hour, rand 60, rand 60),
		type => pick(qw(view view view view cart purchase remove_from_cart)), product => 1 + int rand 6, price => 1 + int rand 9, %as);

	# ids of two users are never the same; some come again
	my $id = pick('', ($mail =~ /^me/ ? 'my-order-' : 'order-') . int rand 9);

	return join(',', $row{time}, $row{type}, $row{product}, 7, 'a.b', 'acme', $row{price}, $user, $session, $mail, $id, pick('', '"x, ""y"""', 'z'), pick('web', 'app', ''));
}

srand($ENV{SLM_SEEDS} // 1);
for my $hour (8 .. 12)
{
	for my $n (1, 2)
	{
		my @lines = map { my $i = int rand @others; line($hour, 1000 + $i, $others[$i], "o$i\@example.org") } 1 .. 60;
		splice(@lines, rand @lines, 0, line($hour, $USER, pick(@mine[ 0 .. 2 ]), 'me@example.org')) foreach (1 .. 12);
		# without the id, but with its session; with the id alone; another user's in the same session
		splice(@lines, rand @lines, 0, line($hour, '', $mine[0], 'me@example.org'), line($hour, $USER, '', 'me@example.org'),
			line($hour, 1001, $mine[1], 'me@example.org'));
		# what can't be used
		push @lines, line($hour, $USER, $mine[0], 'me@example.org', price => 'x'), line($hour, $USER, $mine[1], 'me@example.org', time => 'then'),
			line($hour, $USER, $mine[2], 'me@example.org') . ',and,more', "$USER is no row", line($hour, "${USER}x", $mine[2], 'me@example.org'),
			line($hour, 1002, $others[2], 'o2@example.org', price => 'y');
		write_object($in, sprintf('2019-10-01-%02d-%02d-%d.csv', $hour, 10 * $n, $n), join("\n", $HEADER, @lines) . "\n");
	}
}
value("SELECT sellometer_add_dimension('channel'); SELECT sellometer_add_source('web', 'file://$in/', archive_url => 'file://$out'); SELECT sellometer_alter_source('web', same_content => 'skip')");
load();
value('CALL sellometer_archive()');
value(qq{INSERT INTO sellometer.reminders (user_id, user_session, state)
	SELECT DISTINCT user_id, CASE WHEN user_id IS NULL THEN user_session END, 'given' FROM sellometer.carts WHERE cart_at IS NOT NULL;
	INSERT INTO sellometer.reminder_items SELECT c.user_session, c.product_id, c.cart_at, r.id, c.user_id
	FROM sellometer.carts c JOIN sellometer.reminders r ON r.user_id = c.user_id OR (c.user_id IS NULL AND r.user_session = c.user_session) WHERE cart_at IS NOT NULL;
	INSERT INTO sellometer.reminder_opt_outs (user_id) SELECT DISTINCT user_id FROM sellometer.user_cart_times});
is(value('SELECT count(*) FROM sellometer.archives'), '4', 'four hours are archived, the last is not');

sub archives
{
	my %text;
	for my $key (files_below($out))
	{
		gunzip("$out/$key" => \$text{$key}) or die $GunzipError;
	}
	return %text;
}

# What tells of the user, in all archives, and in all tables.
my $TELLS = join('|', $USER, @mine, 'my-order-', 'me@example\.org');
sub telling { my $n = 0; $n += () = /^.*(?:$TELLS).*$/mg foreach (@_); return $n; }
sub in_archives { my %text = archives(); return telling(values %text); }
sub in_tables
{
	my $dump = $node->basedir . '/dump.sql';
	$node->command_ok([ 'pg_dump', '--data-only', '-f', $dump, $node->connstr('shop') ], 'a dump');
	return telling(slurp_file($dump));
}

my %before = archives();
my $was = digest();
my $rows = in_archives();
my %count = map { my ($name, $sql) = @$_; ($name => value($sql)) } (
	[ carts => "SELECT count(*) FROM sellometer.carts WHERE user_id = $USER OR user_session LIKE '72d76fde%'" ],
	[ reminders => "SELECT (SELECT count(*) FROM sellometer.reminders WHERE user_id = $USER OR user_session LIKE '72d76fde%')
		+ (SELECT count(*) FROM sellometer.reminder_items WHERE user_id = $USER OR user_session LIKE '72d76fde%')
		+ (SELECT count(*) FROM sellometer.reminder_opt_outs WHERE user_id = $USER)" ],
	[ rejected => "SELECT count(*) FROM sellometer.rejected_rows WHERE raw ~ '$TELLS'" ]);
cmp_ok($_->[1], '>', $_->[2], "there are $_->[0]") foreach ([ 'carts', $count{carts}, 5 ], [ 'reminders', $count{reminders}, 3 ], [ 'rejected rows', $count{rejected}, 40 ],
	[ 'rows in archives', $rows, 100 ]);
cmp_ok(in_tables(), '>', 50, '... and it stands in tables');

# --- who may, and how ---

$node->safe_psql('shop', 'CREATE ROLE other LOGIN');
like(($node->psql('shop', "SET ROLE other; CALL sellometer_forget_user($USER)"))[2], qr/permission denied for procedure sellometer_forget_user/, 'not everybody may');
like(said("BEGIN; CALL sellometer_forget_user($USER)"), qr/can't run inside a transaction/, 'nor in a transaction');
like(said('CALL sellometer_forget_user(NULL)'), qr/user_id must not be null/, 'nor without an id');

# --- gone ---

my $report = $node->safe_psql('shop', "\\pset format unaligned\n\\pset tuples_only off\n\\x\nCALL sellometer_forget_user($USER)");
my %report = map { /^(\w+)\|(.*)$/ ? ($1 => $2) : () } split(/\n/, $report);
is($report{carts}, $count{carts}, 'the report: carts');
is($report{reminders}, $count{reminders}, '... reminders');
is($report{rejected_rows}, $count{rejected}, '... rejected rows');
is($report{sessions}, '3', '... sessions');
is($report{archives}, '4', '... archives');
is($report{archived_rows}, $rows, '... their rows');
is($report{raw_files}, '{web/2019-10-01-12-10-1.csv,web/2019-10-01-12-20-2.csv}', '... and the files that are left as they are');
is($report{raw_rows}, telling(map { slurp_file("$in/$_") } files_below($in)), '... with so many rows');
is($report{unread}, '{}', '... nothing could not be read');
is(in_archives(), '0', 'nothing tells of the user in any archive');
is(in_tables(), '0', '... nor in any table');
is(digest(), $was, 'all sums are as they were');

# Everybody else's rows are as they were, and in their place.
my %after = archives();
is(join(' ', map { s/(\.1)?\.csv\.gz$//r } sort keys %after), join(' ', map { s/\.csv\.gz$//r } sort keys %before), 'one archive an hour, the old ones are gone');
is(join(' ', sort keys %after), join(' ', map { s/\.csv/.1.csv/r } sort keys %before), '... each under a new name');
my ($changed, $wrong) = (0, 0);
for my $key (sort keys %before)
{
	my @old = split(/\n/, $before{$key});
	my @new = split(/\n/, $after{ $key =~ s/\.csv/.1.csv/r });
	$wrong += @old != @new;
	for my $i (0 .. $#old)
	{
		next if $old[$i] eq $new[$i];
		$changed++;
		my @was = split(/,/, $old[$i], -1);
		my @is = split(/,/, $new[$i], -1);
		$wrong++ unless $old[$i] =~ /$TELLS/ && ($new[$i] eq '"forgotten"' || ("@was[0 .. 6]" eq "@is[0 .. 6]" && $is[8] =~ /^(forgotten:[0-9a-f]{32})?$/ && $is[9] eq '' && ($was[-1] eq 'more' || $was[-1] eq $is[-1])));
	}
}
is("$changed $wrong", "$rows 0", 'only the rows of the user have changed, and what is summed up of them has not');
is(value("SELECT string_agg(checksum, ' ' ORDER BY key) FROM sellometer.archives"), join(' ', map { sha256_hex($after{$_}) } sort keys %after), 'checksums are on record');
is(value("SELECT bool_and(csv_bytes > 0 AND archived_at IS NOT NULL AND originals_deleted_at IS NOT NULL) FROM sellometer.archives"), 't', '... and all else of an archive');
is(value("SELECT count(*) FROM sellometer.objects o JOIN sellometer.archives a ON o.id = ANY (a.objects) WHERE o.archive_key = a.key"), '8', '... objects know where they are');

# --- and yet the same numbers, whatever reads it again ---

value("SELECT sellometer_replay(NULL, '2019-10-01', '2019-10-02')");
is(digest(), $was, 'a replay gives the same');
value("SELECT sellometer_replay(NULL, '2019-10-01 09:00Z', '2019-10-01 10:00Z')");
is(digest(), $was, '... and one of a part');
# one that could be used
my ($first) = grep { /^2019[^,]*,view,\d+,7,a\.b,acme,\d+,/ && /$mine[0]|$mine[1]|$mine[2]/ && !/more$/ } split(/\n/, slurp_file("$in/2019-10-01-12-10-1.csv"));
write_object($in, '2019-10-01-12-30-3.csv', "$HEADER\n$first\n");
load();
is(value("SELECT rows_duplicate FROM sellometer.objects WHERE key = '2019-10-01-12-30-3.csv'"), '1', 'a view of a session that is forgotten is still known');
is(digest(), $was, '... and counts once');
value("SELECT sellometer_unload('web', '2019-10-01-09-10-1.csv')");
my $without = digest();
value("SELECT sellometer_replay(NULL, '2019-10-01', '2019-10-02')");
is(digest(), $without, 'an archived file can be taken out as ever');

# --- the files that were left, once they are archived ---

write_object($in, '2019-10-01-13-30-3.csv', "$HEADER\n" . line(13, 1000, $others[0], '') . "\n");
load();
value('CALL sellometer_archive()');
$was = digest();
cmp_ok(in_archives(), '>', 10, 'the last files are archived');
like(value("CALL sellometer_forget_user($USER)"), qr/^3\|\d+\|0\|\d+\|\d+\|1\|\d+\|0\|\{\}\|\{\}$/, 'forgotten there too');
is(in_archives(), '0', '... without a trace');
is(in_tables(), '0', '... anywhere');
value("SELECT sellometer_replay(NULL, '2019-10-01', '2019-10-02')");
is(digest(), $was, '... and nothing has changed');
is(value("CALL sellometer_forget_user($USER)"), '0|0|0|0|0|0|0|0|{}|{}', 'once more: there is nothing');
is(value(q{SELECT string_agg(name || ': ' || detail, '; ') FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'unreadable objects') OR NOT ok AND name LIKE '%tier%'}), '',
	'sellometer_check() has nothing to say');

# --- what can't be read is named ---

rename("$out/2019-10-01-08.1.csv.gz", "$out/away") or die $!;
like(value('CALL sellometer_forget_user(1003)'), qr/\|\{"web\/2019-10-01-08\.1\.csv\.gz: .*\"\}$/, 'an archive that is not there');
rename("$out/away", "$out/2019-10-01-08.1.csv.gz") or die $!;
like(value('CALL sellometer_forget_user(1003)'), qr/^1\|\d+\|\d+\|\d+\|0\|1\|\d+\|/, '... and is forgotten in later');

# Which sessions they are is still known when what told of it is gone.
write_object($in, '2019-10-01-14-30-1.csv', "$HEADER\n" . line(14, 777, 'session-of-777', '', type => 'purchase') . "\n");
write_object($in, '2019-10-01-15-30-1.csv', "$HEADER\n" . line(15, '', 'session-of-777', '', type => 'purchase') . "\n");
write_object($in, '2019-10-01-16-30-1.csv', "$HEADER\n" . line(16, 1000, $others[0], '') . "\n");
load();
value('CALL sellometer_archive()');
rename("$out/2019-10-01-15.csv.gz", "$out/away") or die $!;
like(value('CALL sellometer_forget_user(777)'), qr/^1\|.*\|\{"web\/2019-10-01-15\.csv\.gz: .*\"\}$/, 'one archive tells the session, another with rows of it is not there');
is(value("SELECT sessions FROM sellometer.forgetting WHERE user_id = 777"), '{session-of-777}', '... so the session is remembered');
rename("$out/away", "$out/2019-10-01-15.csv.gz") or die $!;
like(value('CALL sellometer_forget_user(777)'), qr/^1\|0\|0\|0\|\d+\|1\|1\|0\|\{\}\|\{\}$/, '... and is forgotten there later');
is(value('SELECT count(*) FROM sellometer.forgetting'), '0', '... and altogether');

is(value("SELECT procedure || ' ' || outcome FROM sellometer.runs ORDER BY id DESC LIMIT 1"), 'forget_user done', 'a run is noted');
is(value("SELECT count(*) FROM sellometer.runs WHERE detail::text ~ '$TELLS|1003'"), '0', '... without the id');

$node->stop;
done_testing();
