# Nodes of which each reads a prefix of its own, divided as docs/scaling.md says in Python: together they hold what one database holds that reads
# all prefixes, and that is what the oracle says, whatever each of them does when; each archives its own, and is then what it was.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three).
use strict;
use warnings FATAL => 'all';

use File::Path qw(remove_tree);
use PostgreSQL::Test::Utils;
use SlmDocs;
use SlmHistory;
use SlmRandom;
use SlmSlices;
use SlmTest;
use SlmTiers;
use Test::More;

my $node = slm_node('own', conf => tier_conf() . "sellometer.cart_retention = 60d\nsellometer.database = ''\nmax_connections = 50\n");
my ($first, $last) = ($ENV{SLM_SEEDS} || '1-3') =~ /^(\d+)(?:-(\d+))?$/;
my $divide = $node->basedir . '/divide.py';
my ($recipe) = map { $_->{body} } grep { $_->{kind} eq 'python' } docs_blocks(slm_root() . '/docs/scaling.md');

# divide.py SLICES DIRECTORY: each file below DIRECTORY/all, as one of each slice's rows below DIRECTORY/0, DIRECTORY/1 ...
write_file($divide, $recipe . <<'PYTHON');

import csv, gzip, io, os, re, sys, zlib

def place(line, column, slices):
    cells = next(csv.reader([line.decode('utf-8', 'replace')]), [])
    product = cells[column].strip(' \t\r\u00a0\ufeff') if column < len(cells) else ''
    return slice_of(int(product), slices) if re.fullmatch('[+]?[0-9]{1,18}', product) else zlib.crc32(line) % slices

slices, top = int(sys.argv[1]), sys.argv[2]
for path, _, names in os.walk(top + '/all'):
    for name in names:
        content = open(path + '/' + name, 'rb').read()
        if content[:2] == b'\x1f\x8b':
            content = gzip.decompress(content)
        header, *lines = re.split(rb'(?<=\n)', content)
        column = next(csv.reader([header.decode().lstrip('\ufeff')])).index('product_id')
        for i in range(slices):
            to = path.replace(top + '/all', top + '/' + str(i))
            os.makedirs(to, exist_ok=True)
            with open(to + '/' + name, 'wb') as out:
                out.write(header + b''.join(l for l in lines if l and place(l, column, slices) == i))
PYTHON

# What shop has of a file is in as many files as there are slices.
my $sums = slice_sums();
my $kept = q{(SELECT floor FROM sellometer.kept() WHERE tier = 'minute')};
$sums->{$_} .= " WHERE event_time >= $kept" foreach (grep { /_minute$/ } keys %$sums);
$sums->{totals} .= " WHERE tier <> 'minute' OR event_time >= $kept";
$sums->{rejected} =~ s/o\.key,/regexp_replace(o.key, '^[0-9]\/(?=.*\/)', '') AS key,/;
$sums->{objects} = (delete $sums->{ledger}) =~ s/state AS event_type, key, row.*? AS more/NULL::text AS event_type, regexp_replace(key, '^[0-9]\/(?=.*\/)', '') AS key, NULL::text AS more/r;

sub act
{
	my ($database) = @_;
	my $sql = pick('CALL sellometer_ingest()', 'CALL sellometer_ingest()', 'CALL sellometer_ingest()', 'CALL sellometer_merge_backlog()', 'CALL sellometer_rollup()', 'CALL sellometer_prune()',
		'CALL sellometer_archive()', "SELECT sellometer_replay(NULL, '-infinity', 'infinity')");

	return if chance(0.3);
	note("  $database: $sql");
	in_database($node, $database, $sql);
	return;
}

# At one time in all prefixes, so that at last all have got equally far.
sub newest
{
	my ($dir, $n) = @_;

	for my $i (0 .. $n - 1)
	{
		my $product = $node->safe_psql('shop', "SELECT p FROM generate_series(1, 1000) p WHERE sellometer_slice_of(p, $n) = $i LIMIT 1");

		write_object("$dir/$i", '9/2019-10-24-00-00-1.csv', csv(event(event_time => '2019-10-24 00:00:00', product_id => $product)));
		link_object("$dir/$i", "$dir/$_/$i", '9/2019-10-24-00-00-1.csv') foreach (qw(in whole kept));
	}
	return;
}

sub history
{
	my ($seed) = @_;
	my $dir = slm_directory($node, "own_$seed");

	srand($seed);
	mkdir "$dir/$_" foreach (qw(all in whole kept out));
	my @keys = SlmTiers::in_order_of_arrival(SlmTiers::make_files("$dir/all", $seed));
	splice(@keys, 50) if @keys > 50;
	my $n = 2 + int rand 3;
	my @slices = make_slices($node, "file://$dir/whole/", $n);
	note("seed $seed: $n slices, " . @keys . ' files');
	run_log([ 'python3', $divide, $n, $dir ]) or die 'files can\'t be divided';
	mkdir "$dir/$_" foreach (map { my $i = $_; map { "$_/$i" } qw(in whole kept out) } (0 .. $n - 1));
	in_database($node, $_, "SELECT sellometer_drop_source('a'); SELECT sellometer_add_source('a', 'file://$dir/in/{slice}/', archive_url => 'file://$dir/out/{slice}/', own_slice => true)") foreach (@slices);
	while (@keys)
	{
		for my $key (splice(@keys, 0, 1 + int rand 12))
		{
			# a prefix may have it later than another
			for my $i (0 .. $n - 1)
			{
				link_object("$dir/$i", "$dir/$_/$i", $key) foreach (qw(in whole kept));
				act("s$i") if chance(0.1);
			}
		}
		act($_) foreach (shuffled(@slices));
		in_database($node, 'shop', $_) foreach (pick('CALL sellometer_ingest()', 'CALL sellometer_rollup()', 'CALL sellometer_prune()'));
	}
	newest($dir, $n);
	catch_up($node, 'shop', @slices);
	is(join("\n", slice_differences($node, $sums, @slices)), '', "seed $seed: $n nodes that read a prefix each are what one database is that reads all");
	is(join('', map { in_database($node, $_, "SELECT '$_', key, line, detail FROM sellometer.rejected_rows JOIN sellometer.objects USING (source, key) WHERE reason = 'other_slice' LIMIT 3") } @slices), '', '... each row lies where it belongs');
	is(join(' ', map { in_database($node, $_, 'SELECT count(*), sum(rows_elsewhere) FROM sellometer.objects') } @slices), join(' ', map { my ($all) = scalar(() = files_below("$dir/kept/$_")); "$all|0" } (0 .. $n - 1)), '... and is read by its node alone');
	in_database($node, $_, 'CALL sellometer_archive(); SELECT sellometer_replay(NULL, \'-infinity\', \'infinity\')') foreach (@slices);
	is(join("\n", slice_differences($node, $sums, @slices)), '', '... also made anew from archives of their own');
	cmp_ok(scalar(() = files_below("$dir/in")), '<', scalar(() = files_below("$dir/kept")) / 2, '... which have taken the place of originals');
	is(join('', map { in_database($node, $_, "SELECT '$_', name, detail FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'tiers', 'totals', 'archives')") } @slices), '', '... each is in order');
	oracle_load($node, "$dir/kept");
	oracle_agrees($node, 'minute', "seed $seed", $node->safe_psql('shop', "SELECT kept_from FROM sellometer.tiers WHERE name = 'minute'"));
	remove_tree($dir);
	return;
}

history($_) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
