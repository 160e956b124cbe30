
=pod

=head1 NAME

SlmNodes - nodes on two servers, one archive for all of them, and what befalls them

=head1 SYNOPSIS

  random_nodes($whole, [ $first, $second ], 7);          # seed 7

=head1 WHAT IS RANDOM

From the seed come: whether there are two nodes or four, and whether that of slice 0 shows what all have; the files, as those of SlmTiers, and the order in which they come; what each
database does between them, by itself: sellometer_ingest(), sellometer_merge_backlog(), sellometer_rollup(), sellometer_prune(),
sellometer_archive(), a replay; when a server of nodes is killed, stopped or backed up, and when it is set back to its backup.

=cut

package SlmNodes;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Path qw(remove_tree);
use PostgreSQL::Test::Utils;
use SlmCrash;
use SlmHistory;
use SlmOwnSlices;
use SlmRandom;
use SlmSlices;
use SlmTest;
use SlmTiers;
use Test::More;

our @EXPORT = qw(know_each_other connection_to make_archiving set_back random_nodes random_own_nodes nodes_agree);

=pod

=head1 FUNCTIONS

=over

=item connection_to($server, $database)

=cut

sub connection_to
{
	my ($server, $database) = @_;

	return sprintf('host=%s port=%d dbname=%s', $server->host, $server->port, $database);
}

=pod

=item know_each_other($servers, @slices)

Each node knows slice 0, and that knows all others.

=cut

sub know_each_other
{
	my ($servers, @slices) = @_;
	my $server = sub { $servers->[ substr($_[0], 1) % @$servers ] };

	for my $slice (@slices)
	{
		in_database(undef, $slice, 'CREATE EXTENSION IF NOT EXISTS postgres_fdw');
		next if $slice eq 's0';
		in_database(undef, $slice, "SELECT sellometer_add_node('n0', '" . connection_to($server->('s0'), 's0') . "')");
		in_database(undef, 's0', "SELECT sellometer_add_node('n" . substr($slice, 1) . "', '" . connection_to($server->($slice), $slice) . "')");
	}
	return;
}

=pod

=item make_archiving($whole, $servers, $dir, $n)

Database shop on $whole, which counts all of $dir/whole and archives to $dir/whole_out, and n slices on the other servers that count
$dir/in and archive to $dir/out together.  Gives the names of the slices.

=cut

sub make_archiving
{
	my ($whole, $servers, $dir, $n) = @_;
	my @slices;

	mkdir "$dir/$_" foreach (qw(whole whole_out in out kept));
	@slices = make_slices($whole, "file://$dir/in/", $n, @$servers);
	know_each_other($servers, @slices);
	in_database($whole, $_, "SELECT sellometer_alter_source('a', archive_url => 'file://$dir/out/')") foreach (@slices);
	in_database($whole, 'shop', "SELECT sellometer_drop_source('a'); SELECT sellometer_add_source('a', 'file://$dir/whole/', archive_url => 'file://$dir/whole_out/')");
	return @slices;
}

=pod

=item set_back($server, $backup)

The server is as it was when $server->backup($backup) was called.

=cut

sub set_back
{
	my ($server, $backup) = @_;

	$server->stop('immediate');
	remove_tree($server->data_dir);
	system('cp', '-a', $server->backup_dir . "/$backup", $server->data_dir) == 0 or die "can't copy: $?";
	chmod 0700, $server->data_dir;
	$server->start;
	return;
}

my $BEST = q{SELECT * FROM sellometer_top('brand', 'view', '-infinity', 'infinity', 1000)};
my %CALLS = (
	ingest => 'CALL sellometer_ingest()', merge => 'CALL sellometer_merge_backlog()', rollup => 'CALL sellometer_rollup()',
	prune => 'CALL sellometer_prune()', archive => 'CALL sellometer_archive()', detect => 'CALL sellometer_detect()',
	replay => "SELECT sellometer_replay(NULL, '-infinity', 'infinity')");

# A node that was set back knows of originals that are gone only by sellometer_archive(): before that a replay is refused.
sub act
{
	my ($whole, $database, $set_back) = @_;
	my $what = pick(qw(ingest ingest ingest merge rollup prune archive archive detect replay));

	return if chance(0.4);
	note("  $database: $what");
	return if eval { in_database($whole, $database, $CALLS{$what}); 1 };
	die $@ if !$set_back || $what ne 'replay' || $@ !~ /can't be read, and without it sums would be wrong/;
	note('    refused');
	return;
}

# What is done to a server.  True if it is not what it was.  Not both are set back before one has taken over from the other what it lacks: nobody
# would know then what is archived.
sub strike
{
	my ($server, $backups) = @_;
	my $name = $server->name;
	my $what = pick(qw(kill stop backup set_back set_back));

	$what = 'backup' if $what eq 'set_back' && (!$backups->{$name} || ($backups->{behind} // $name) ne $name);
	note("  server $name: $what");
	if ($what eq 'kill') { kill_server($server); }
	elsif ($what eq 'stop') { $server->stop(pick('fast', 'immediate')); $server->start; }
	elsif ($what eq 'backup') { $server->backup($backups->{$name} = 'backup' . ++$backups->{n}); }
	else { set_back($server, $backups->{$name}); $backups->{behind} = $name; }
	return $what eq 'set_back';
}

# How many originals of the nodes are gone.
sub gone
{
	my ($dir) = @_;
	my ($kept, $left) = map { [ files_below("$dir/$_") ] } qw(kept in);

	return @$kept - @$left;
}

=pod

=item nodes_agree($whole, $dir, $name, $set_back, @slices)

A test: the nodes together are what shop is, and that is what the oracle says.  Where a node was set back behind what could be loaded
again, its ledger doesn't tell how rows counted that it got from archives, and carts and rejected rows of these are not known.

=cut

sub nodes_agree
{
	my ($whole, $dir, $name, $set_back, @slices) = @_;
	my @wrong;

	catch_up($whole, 'shop', @slices);
	# a record comes, the originals go, and what is younger is next
	for (1 .. 3)
	{
		in_database($whole, $_, 'CALL sellometer_archive()') foreach ('shop', @slices);
	}
	catch_up($whole, 'shop', @slices);
	@wrong = grep { !$set_back || !/^(ledger|carts|rejected|offers)\|/ } slice_differences($whole, @slices);
	is(join("\n", @wrong), '', "$name: " . @slices . ' nodes together are what one database is that counts all');
	@wrong = map { in_database($whole, $_, "SELECT '$_', name, detail FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'tiers', 'totals', 'archives')") } @slices;
	is(join('', @wrong), '', '... each is in order');
	is(join(' ', files_below("$dir/in")), join(' ', files_below("$dir/whole")), '... and the same originals are left');
	oracle_load($whole, "$dir/kept");
	# a small file may have no row that can be used
	my %useless = map { ($_ => 1) } split(/\n/, in_database($whole, 'shop', q{SELECT key FROM sellometer.objects WHERE state = 'failed' AND error ~ '^(the only row|none of)'}));
	@wrong = grep { !/^[^|]*\|archived\|/ && !$useless{ s/\|.*//r } } tier_differences($whole);
	is(join("\n", splice(@wrong, 0, 20)), '', '... as the oracle says');
	return;
}

=pod

=item random_nodes($whole, $servers, $seed)

One whole history, from empty databases on, and nodes_agree(), twice: the second time after all was made anew from archives.

=cut

sub random_nodes
{
	my ($whole, $servers, $seed) = @_;
	my $dir = slm_directory($whole, "nodes_$seed");
	my $set_back = 0;
	my %backups = (n => $seed * 1000);

	srand($seed);
	mkdir "$dir/all";
	my @keys = SlmTiers::in_order_of_arrival(SlmTiers::make_files("$dir/all", $seed));
	splice(@keys, 60) if @keys > 60;
	my @slices = make_archiving($whole, $servers, $dir, pick(2, 4));
	note("seed $seed: " . @slices . ' nodes, ' . @keys . ' files');
	# one that archives for all, and shows them all
	my $shows = $seed % 2;
	in_database(undef, 's0', "SELECT sellometer_add_node('n0', '" . connection_to($servers->[0], 's0') . "')") if $shows;
	while (@keys)
	{
		for my $key (splice(@keys, 0, 1 + int rand 10))
		{
			link_object("$dir/all", "$dir/$_", $key) foreach (qw(kept in whole));
		}
		act($whole, $_, $set_back) foreach (shuffled('shop', @slices));
		if (chance(0.3))
		{
			note('  all load, and archive what they can');
			in_database($whole, $_, $CALLS{ingest}) foreach ('shop', @slices);
			in_database($whole, $_, $CALLS{archive}) foreach ('shop', @slices, 's0');
			delete $backups{behind};
		}
		next unless chance(0.5);
		my $were_gone = gone($dir);
		$set_back = 1 if strike(pick(@$servers), \%backups) && $were_gone > 0;
	}
	nodes_agree($whole, $dir, "seed $seed", $set_back, @slices);
	in_database($whole, $_, $CALLS{replay}) foreach (@slices);
	is(join("\n", grep { !$set_back || !/^(ledger|carts|rejected|offers)\|/ } slice_differences($whole, @slices)), '', '... also made anew from archives');
	is(in_database(undef, 's0', $BEST), in_database($whole, 'shop', $BEST), '... and the node that archives shows them all') if $shows;
	remove_tree($dir);
	remove_tree($_->backup_dir) foreach (@$servers);
	return;
}

=pod

=item random_own_nodes($whole, $servers, $seed)

Likewise of nodes that read a prefix each, archive it by themselves, and keep originals for as long as a backup may be old: each is set back whenever it
comes to that, and loads again what is there.

=back

=cut

sub random_own_nodes
{
	my ($whole, $servers, $seed) = @_;
	my $dir = slm_directory($whole, "own_nodes_$seed");
	my $sums = own_slice_sums();
	my %backups = (n => $seed * 1000 + 500);

	srand($seed);
	mkdir "$dir/$_" foreach (qw(all in whole kept out));
	my @keys = SlmTiers::in_order_of_arrival(SlmTiers::make_files("$dir/all", $seed));
	splice(@keys, 40) if @keys > 40;
	my $n = pick(2, 4);
	divide_files($whole, $n, $dir);
	mkdir "$dir/$_" foreach (map { my $i = $_; map { "$_/$i" } qw(in whole kept out) } (0 .. $n - 1));
	my @slices = make_slices($whole, "file://$dir/whole/", $n, @$servers);
	in_database($whole, $_, q{DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET sellometer.keep_originals = %L', current_database(), '365d'); END $$}) foreach (@slices);
	in_database($whole, $_, "SELECT sellometer_drop_source('a'); SELECT sellometer_add_source('a', 'file://$dir/in/{slice}/', archive_url => 'file://$dir/out/{slice}/', own_slice => true)") foreach (@slices);
	note("seed $seed: $n nodes with a prefix each, " . @keys . ' files');
	while (@keys)
	{
		for my $key (splice(@keys, 0, 1 + int rand 10))
		{
			for my $i (0 .. $n - 1)
			{
				link_object("$dir/$i", "$dir/$_/$i", $key) foreach (qw(in whole kept));
				act($whole, "s$i", 0) if chance(0.1);
			}
		}
		act($whole, $_, 0) foreach (shuffled('shop', @slices));
		delete $backups{behind};
		strike(pick(@$servers), \%backups) if chance(0.5);
	}
	newest_of_slices($whole, $n, $dir, qw(in whole kept));
	catch_up($whole, 'shop', @slices);
	is(join("\n", slice_differences($whole, $sums, @slices)), '', "seed $seed: $n nodes with a prefix each are what one database is that reads all");
	in_database($whole, $_, $CALLS{archive}) foreach (@slices);
	in_database($whole, $_, $CALLS{replay}) foreach (@slices);
	is(join("\n", slice_differences($whole, $sums, @slices)), '', '... also made anew from archives');
	is(join('', map { in_database($whole, $_, "SELECT '$_', name, detail FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'tiers', 'totals', 'archives')") } @slices), '', '... each is in order');
	oracle_load($whole, "$dir/kept");
	oracle_agrees($whole, 'minute', "seed $seed", $whole->safe_psql('shop', "SELECT kept_from FROM sellometer.tiers WHERE name = 'minute'"));
	remove_tree($dir);
	remove_tree($_->backup_dir) foreach (@$servers);
	return;
}

1;
