
=pod

=head1 NAME

SlmOwnSlices - files that whoever writes them has divided, into a prefix for each slice

=head1 SYNOPSIS

  divide_files($node, 3, $dir);                  # $dir/all into $dir/0, $dir/1 and $dir/2, as docs/scaling.md says
  my @wrong = slice_differences($node, own_slice_sums(), @slices);

=cut

package SlmOwnSlices;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;
use SlmDocs;
use SlmHistory;
use SlmSlices;
use SlmTest;

our @EXPORT = qw(divide_files own_slice_sums newest_of_slices);

# divide.py SLICES DIRECTORY, behind the function that docs/scaling.md has.
my $DIVIDE = <<'PYTHON';

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

=pod

=head1 FUNCTIONS

=over

=item divide_files($node, $n, $dir)

Each file below $dir/all, as one of each slice's rows below $dir/0, $dir/1 and so on; by what docs/scaling.md has in Python.

=cut

sub divide_files
{
	my ($node, $n, $dir) = @_;
	my ($recipe) = map { $_->{body} } grep { $_->{kind} eq 'python' } docs_blocks(slm_root() . '/docs/scaling.md');
	my $divide = $node->basedir . '/divide.py';

	write_file($divide, $recipe . $DIVIDE);
	run_log([ 'python3', $divide, $n, $dir ]) or die 'files can\'t be divided';
	return;
}

=pod

=item own_slice_sums()

As slice_sums(), where shop reads all prefixes as one, so that what it has of a file is in as many files as there are slices.

=cut

sub own_slice_sums
{
	my $sums = slice_sums();
	my $kept = q{(SELECT floor FROM sellometer.kept() WHERE tier = 'minute')};

	$sums->{$_} .= " WHERE event_time >= $kept" foreach (grep { /_minute$/ } keys %$sums);
	$sums->{totals} .= " WHERE tier <> 'minute' OR event_time >= $kept";
	$sums->{rejected} =~ s/o\.key,/regexp_replace(o.key, '^[0-9]\/(?=.*\/)', '') AS key,/;
	$sums->{objects} = (delete $sums->{ledger}) =~ s/state AS event_type, key, row.*? AS more/NULL::text AS event_type, regexp_replace(key, '^[0-9]\/(?=.*\/)', '') AS key, NULL::text AS more/r;
	return $sums;
}

=pod

=item newest_of_slices($node, $n, $dir, @places)

A last file in each prefix, linked into $dir/PLACE/SLICE, so that all nodes have got equally far.

=back

=cut

sub newest_of_slices
{
	my ($node, $n, $dir, @places) = @_;

	for my $i (0 .. $n - 1)
	{
		my $product = $node->safe_psql('shop', "SELECT p FROM generate_series(1, 1000) p WHERE sellometer_slice_of(p, $n) = $i LIMIT 1");

		write_object("$dir/$i", '9/2019-10-24-00-00-1.csv', csv(event(event_time => '2019-10-24 00:00:00', product_id => $product)));
		link_object("$dir/$i", "$dir/$_/$i", '9/2019-10-24-00-00-1.csv') foreach (@places);
	}
	return;
}

1;
