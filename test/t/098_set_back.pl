# Archives, and databases that are set back to older backups: what is in an archive is never deleted with nothing else holding it.  Of nodes
# each takes over from the others what it does not know, and is then what it was; slice 0 dies at each place of archiving while another node
# lags, and deletes no original that this has still to load.
# The servers crash on purpose here.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmCrash;
use SlmHistory;
use SlmNodes;
use SlmSlices;
use SlmTest;
use SlmTiers;
use Test::More;

my $conf = tier_conf() . "sellometer.database = ''\nmax_connections = 50\nrestart_after_crash = on\n";
my $whole = slm_node('whole', conf => $conf, allows_streaming => 1);
my @servers = map { slm_node($_, conf => $conf, extension => 0, allows_streaming => 1) } qw(even odd);
my $dir = slm_directory($whole, 'nodes');
my $ARCHIVE = 'CALL sellometer_archive()';
my $INGEST = 'CALL sellometer_ingest()';
my $hour = 0;

die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($whole);
my @slices = make_archiving($whole, \@servers, $dir, 2);

# The next hour: of sessions that were there before too, and of new ones.
sub put_hour
{
	my $made = "$dir/made_" . ++$hour;

	traffic($made, '--minutes' => 60, '--rate' => 4, '--start' => sprintf('2019-10-%02d %02d:00:00', 9 + int($hour / 24), $hour % 24), '--seed' => 5 + $hour % 2,
		'--products' => 40, '--bad' => 0.02, '--servers' => 1);
	for my $key (files_below($made))
	{
		next if $key !~ /-[0-5]0-\d+\.csv/;
		link_object($made, "$dir/$_", $key) foreach (qw(kept in whole));
	}
	return;
}

sub die_at
{
	my ($server, $database, $point, $sql) = @_;
	my $seen = -s $server->logfile;
	my $mark = $server->data_dir . '/sellometer_crashed';

	unlink $mark;
	$server->psql($database, "SET client_min_messages = error; SET sellometer.debug_crash_point = '$point'; $sql");
	return 0 if !-e $mark;
	wait_for_restart($server, $seen, $database);
	return slurp_file($mark) eq $point;
}

sub do_in { my ($sql, @databases) = @_; in_database($whole, $_, $sql) foreach (@databases); return; }

# Originals that are gone though s1 has them neither loaded nor archived, or no archive that s0 knows has them.
sub lost
{
	my %there = map { ($_ => 1) } files_below("$dir/in");
	my %loaded = map { ($_ => 1) } split(/\n/, in_database($whole, 's1', q{SELECT key FROM sellometer.objects WHERE state IN ('done', 'archived')}));
	my %archived = map { ($_ => 1) } split(/\n/, in_database($whole, 's0', q{SELECT o.key FROM sellometer.objects o JOIN sellometer.archives a ON o.id = ANY (a.objects) WHERE o.state = 'archived' AND a.archived_at IS NOT NULL}));

	return join(' ', grep { !$there{$_} && !($loaded{$_} && $archived{$_}) } files_below("$dir/kept"));
}

# --- slice 0 dies at each place, and the other node lags ---

put_hour() foreach (1 .. 2);
do_in($INGEST, 'shop', @slices);
my @points = qw(archive.reserve archive.reserved archive.read archive.written archive.verified archive.recorded archive.packed);
my $n = 0;
for my $point (@points, qw(archive.delete archive.deleted archive.done archive.cleared))
{
	my $late = $n++ % 2;
	my $what = "dies at $point" . ($late ? ', before the other node has loaded it' : '');

	put_hour();
	do_in($INGEST, $late ? 's0' : @slices);
	if ($point eq 'archive.cleared') { die_at($servers[0], 's0', 'archive.written', $ARCHIVE); }
	elsif (!grep { $point eq $_ } @points)
	{
		do_in($INGEST, @slices);
		do_in($ARCHIVE, @slices);
	}
	ok(die_at($servers[0], 's0', $point, $ARCHIVE), $what);
	is(lost(), '', '... and nothing is lost');
	do_in($ARCHIVE, 's0');
	is(lost(), '', '... nor by the next run');
	# the other one is killed while it takes the archive over
	my ($pid, $seen) = (in_database($whole, 's1', 'SELECT pg_backend_pid()'), -s $servers[1]->logfile);
	do_in($INGEST, @slices, 'shop');
	kill_server($servers[1]) if $late;
	do_in($ARCHIVE, @slices, 's0', 'shop');
}
nodes_agree($whole, $dir, 'after all of these', 0, @slices);
cmp_ok(scalar(my @left = files_below("$dir/in")), '<', 20, '... and originals are gone');

# --- nodes that are set back ---

$_->backup('older') foreach (@servers);
for my $of (1, 0)
{
	put_hour() foreach (1 .. 2);
	do_in($INGEST, 'shop', @slices);
	do_in($_, 'shop', @slices) foreach ('CALL sellometer_rollup()', $ARCHIVE);
	do_in($ARCHIVE, 's0');
	my $gone = in_database($whole, 's0', 'SELECT count(*) FROM sellometer.archives WHERE originals_deleted_at IS NOT NULL');
	set_back($servers[$of], 'older');
	# what came since is loaded before the archives are known
	put_hour();
	do_in($INGEST, 'shop', @slices);
	is(in_database($whole, "s$of", 'SELECT count(*) FROM sellometer.archives WHERE archived_at IS NOT NULL') < $gone ? 1 : 0, 1, "slice $of is set back to before some archives");
	# the other one must not take for replaced what slice 0 does not know any more
	do_in($ARCHIVE, 's1') if $of == 0;
	my ($status, $out, $err) = $servers[$of]->psql("s$of", $ARCHIVE);
	like($err, qr/archives of other nodes had objects that were never loaded here/, '... and counts what it lacks from archives');
	nodes_agree($whole, $dir, "slice $of was set back", 1, @slices);
}
is(in_database($whole, 's0', "SELECT count(*) FROM sellometer.archives WHERE archived_at IS NULL OR originals_deleted_at IS NULL"), '0', 'nothing is left half done');
is(join(' ', files_below("$dir/out")), in_database($whole, 's0', q{SELECT string_agg(key, ' ' ORDER BY key COLLATE "C") FROM sellometer.archives}), '... and all archives are known');
is(in_database($whole, 's1', q{SELECT string_agg(key, ' ' ORDER BY key COLLATE "C") FROM sellometer.archives}), in_database($whole, 's0', q{SELECT string_agg(key, ' ' ORDER BY key COLLATE "C") FROM sellometer.archives}), '... to both');

# With originals that stay for as long as backups are old nothing is missing, whoever else knows of it.
$whole->safe_psql('postgres', $_) foreach ("ALTER SYSTEM SET sellometer.keep_originals = '1h'", 'SELECT pg_reload_conf()');
$whole->backup('kept');
put_hour() foreach (1 .. 2);
do_in($INGEST, 'shop', @slices);
my $before = () = files_below("$dir/whole");
do_in($ARCHIVE, 'shop', 'shop');
cmp_ok(in_database($whole, 'shop', 'SELECT count(*) FROM sellometer.archives WHERE archived_at IS NOT NULL AND originals_deleted_at IS NULL'), '>', 0, 'archives are made');
is(scalar(() = files_below("$dir/whole")), $before, '... and their originals stay');
set_back($whole, 'kept');
do_in($INGEST, 'shop');
$whole->safe_psql('postgres', $_) foreach ('ALTER SYSTEM RESET sellometer.keep_originals', 'SELECT pg_reload_conf()');
nodes_agree($whole, $dir, 'a database set back, whose originals had been kept', 1, @slices);

# Set back to when an archive was being made, by slice 0, and by a database that nobody else knows anything of.
for (['s0', $servers[0], 'out'], ['shop', $whole, 'whole_out'])
{
	my ($database, $server, $out) = @$_;

	put_hour() foreach (1 .. 2);
	do_in($INGEST, 'shop', @slices);
	ok(die_at($server, $database, 'archive.reserved', $ARCHIVE), "$database dies while it makes an archive");
	my $key = in_database($whole, $database, 'SELECT key FROM sellometer.archives WHERE archived_at IS NULL');
	$server->backup("making_$database");
	do_in($ARCHIVE, $database eq 'shop' ? 'shop' : (@slices, 's0', 's1', 's0'));
	is(in_database($whole, $database, "SELECT count(*) FROM sellometer.archives WHERE key = '$key' AND originals_deleted_at IS NOT NULL"), '1', '... is done with it');
	my $content = slurp_file("$dir/$out/$key");
	set_back($server, "making_$database");
	my ($status, $stdout, $err) = $server->psql($database, $ARCHIVE);
	ok(-e "$dir/$out/$key" && slurp_file("$dir/$out/$key") eq $content, '... and leaves it alone, when it is set back to before');
	like($err, qr/archive "\Q$key\E" of source "a" was broken off, and is left as it is/, '... which it says') if $database eq 'shop';
	is(in_database($whole, 's0', "SELECT count(*) FROM sellometer.archives WHERE key = '$key' AND archived_at IS NOT NULL"), '1', '... but slice 0 has it from the other') if $database eq 's0';
	nodes_agree($whole, $dir, "$database was set back", 1, @slices) if $database eq 's0';
}
is(in_database($whole, 'shop', "SELECT count(*) > 0 FROM sellometer.health WHERE name = 'objects of a' AND severity <> 'ok'"), 't', 'health tells of objects that are gone');
$_->stop foreach ($whole, @servers);
done_testing();
