# Nodes that read a prefix each of a bucket: each lists, fetches, archives and deletes its own alone, also where one number begins with another, and
# together they have what one database has; set back to an older backup, each loads again what is there.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmNodes;
use SlmS3;
use SlmSlices;
use SlmTest;
use Test::More;

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);
my $N = 12;
my @read = (0, 1, 10, 11);
my $fake = SlmS3->fake;
my $node = slm_node('own_s3', conf => "sellometer.database = ''\nfsync = off\nmax_connections = 50\nsellometer.keep_originals = '1h'\n", allows_streaming => 1);

sub sum { my ($database) = @_; return in_database($node, $database, "SELECT count(*), sum(count), sum(gmv) FROM sellometer.realtime_product_id_hour WHERE sellometer_slice_of(product_id, $N) IN (" . join(', ', @read) . ')'); }

sub together { my @of = map { [ split(/\|/, sum("s$_")) ] } @read; my @sums; foreach my $one (@of) { $sums[$_] += $one->[$_] || 0 foreach (0 .. 2); } return join('|', $sums[0], $sums[1], sprintf('%.4f', $sums[2])); }

# An hour's file of each prefix, and the whole.
sub put_hour
{
	my ($hour) = @_;
	my %lines = map { ($_ => '') } (0 .. $N - 1);
	my $all = '';
	my ($header) = csv() =~ /^([^\n]*\n)/;

	for my $product (1 .. 200)
	{
		my (undef, $line) = split(/\n/, csv(event(event_time => sprintf('2019-10-01 %02d:%02d:00', $hour, $product % 60), product_id => $product, event_type => $product % 3 ? 'view' : 'purchase', user_session => "s$hour")));

		$lines{ $node->{slice_of}{$product} } .= "$line\n";
		$all .= "$line\n";
	}
	my $key = sprintf('2019-10-01-%02d-00-00.csv', $hour);
	$fake->put("shelf/in/$_/$key", $header . $lines{$_}) foreach (keys %lines);
	$fake->put("shelf/whole/$key", $header . $all);
	return;
}

my @slices = make_slices($node, undef, $N);
$node->{slice_of} = { map { split(/\|/) } split(/\n/, $node->safe_psql('shop', "SELECT p, sellometer_slice_of(p, $N) FROM generate_series(1, 200) p")) };
put_hour($_) foreach (0 .. 5);
$fake->create_server($node, 'shop', 'bucket');
in_database($node, 'shop', q{SELECT sellometer_add_source('a', 's3://shelf/whole/', 'bucket')});
for my $i (@read)
{
	$fake->create_server($node, "s$i", 'bucket');
	in_database($node, "s$i", q{SELECT sellometer_add_source('a', 's3://shelf/in/{slice}/', 'bucket', archive_url => 's3://shelf/out/{slice}-{slices}/', own_slice => true)});
}
catch_up($node, 'shop', map { "s$_" } @read);
is(together(), sum('shop'), 'prefixes of a bucket are together the whole');
for my $i (@read)
{
	is(in_database($node, "s$i", 'SELECT count(*), sum(rows_elsewhere), sum(rows_rejected) FROM sellometer.objects'), '6|0|0', "node $i has loaded its files alone");
}
is(join(' ', grep { my ($i) = $_->[2] =~ m{/in/(\d+)}; $_->[1] eq 'GET' && defined $i && !grep { $_ == $i } @read } $fake->requests(qr{shelf})), '', 'nobody has fetched what is of another');

# --- archives, and a backup of before ---

in_database($node, "s$_", 'CALL sellometer_prune()') foreach (@read);
$node->backup('before');
put_hour($_) foreach (6 .. 9);
for (1 .. 2)
{
	catch_up($node, 'shop', map { "s$_" } @read);
	in_database($node, "s$_", 'CALL sellometer_archive()') foreach (@read);
}
my %archived = map { ($_ => in_database($node, "s$_", 'SELECT count(*) FROM sellometer.archives WHERE archived_at IS NOT NULL')) } @read;
cmp_ok($archived{$_}, '>', 5, "node $_ has archives") foreach (@read);
is(scalar(grep { $_->[1] eq 'PUT' && $_->[2] =~ m{shelf/out/} && $_->[2] !~ m{shelf/out/(0|1|10|11)-12/} } $fake->requests(qr{shelf})), 0, '... each at its own place');
is(together(), sum('shop'), '... and they are the whole');
in_database($node, "s$_", "SELECT sellometer_replay(NULL, '-infinity', 'infinity')") foreach (@read);
is(together(), sum('shop'), '... also made anew from archives');

set_back($node, 'before');
catch_up($node, 'shop', map { "s$_" } @read);
put_hour(10);
catch_up($node, 'shop', map { "s$_" } @read);
is(together(), sum('shop'), 'set back, and loaded again');
in_database($node, "s$_", "SELECT sellometer_replay(NULL, '-infinity', 'infinity')") foreach (@read);
is(together(), sum('shop'), '... also made anew');
is(join('', map { in_database($node, "s$_", "SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'tiers', 'totals', 'archives')") } @read), '', '... and each is in order');
$node->stop;
$fake->stop;
done_testing();
