
=pod

=head1 NAME

SlmHostile - sources beside those of others: an S3 server and a feeder that mean no good

=head1 SYNOPSIS

  my $hostile = SlmHostile->new($node, $directory);   # adds them
  $hostile->turn while ...;                           # puts what is due
  my @said = $hostile->end;                           # drops them; what became of each: lines

The server: lists that drip, hang, bring the same pages again and again or for ever, errors and headers without an end, XML that
unfolds, absurd sizes and keys outside of the prefix, reads that drip, stall and are too long.  The feeder: gzip bombs, files of more
names than may be, sparse files, odd names.  None of it gives a row that counts.

=cut

package SlmHostile;

use strict;
use warnings FATAL => 'all';

use SlmS3;
use SlmTest;
use Time::HiRes qw(time);

my @LISTS = qw(drip hang abab unending sliding babble headers garbage bomb endless html redirect);
my @READS = qw(drip-2 stall hang overlong cut-999 slow);
my $TURN = 0.5;    # seconds from one file of the feeder to the next

# What the feeder has, by kind; each is put under many names.
sub make_files
{
	my ($self) = @_;
	my $header = "event_time,event_type,product_id,price,brand,category_code\n";

	write_object($self->{made}, 'bomb', gzipped("\0" x (64 * 1024 * 1024)));
	write_object($self->{made}, 'names', gzipped($header . join('', map { "2019-10-01 20:00:00,view,$_,1,brand $_" . 'x' x 200 . ",a$_.b$_\n" } 1 .. 60_000)));
	write_object($self->{made}, 'odd', $header);
	open(my $sparse, '>', "$self->{made}/sparse") or die "can't make a file: $!";
	truncate($sparse, 1 << 38) or die "can't make a sparse file: $!";
	close($sparse);
	return;
}

sub new
{
	my ($class, $node, $directory) = @_;
	my $self = bless { node => $node, in => "$directory/in", made => "$directory/made", fake => SlmS3->fake, turns => 0, next => 0 }, $class;

	mkdir $_ or die "can't make $_: $!" foreach ($directory, $self->{in}, $self->{made});
	$self->make_files;
	$self->{fake}->create_server($node, 'shop', 'hostile', stall_timeout => 3, connect_timeout => 3, retry_timeout => 6);
	my $item = sub { "<Contents><Key>$_[0]</Key><LastModified>2019-10-01T00:00:00.000Z</LastModified><ETag>&quot;0123&quot;</ETag><Size>$_[1]</Size></Contents>" };
	$self->{fake}->control(more_items => join('', $item->('reads/huge.csv', '9223372036854775807'), $item->('reads/large.csv', '400000000000'),
		$item->('elsewhere/a.csv', 5), $item->('r', 5), $item->('', 5)));
	$self->{fake}->put("shelf/reads/$READS[$_]/2019-10-01-20-0$_.csv", "event_time,event_type,product_id,price\n" x 10_000) foreach (0 .. $#READS);
	$node->safe_psql('shop', join('', map { "INSERT INTO sellometer.sources (name, url, server) VALUES ($_);" }
		(map { "'hostile_$_', 's3://$_/', 'hostile'" } @LISTS), "'hostile_reads', 's3://shelf/reads/', 'hostile'", "'hostile_feeder', 'file://$self->{in}/', NULL"));
	return $self;
}

sub turn
{
	my ($self) = @_;

	return if time < $self->{next};
	$self->{next} = time + $TURN;
	my $n = $self->{turns}++;
	my $kind = (qw(odd bomb names sparse odd))[ $n % 5 ];
	my $odd = ("-rf $n.csv", "%s%n$n.csv", "a\nb$n.csv", "\xe2\x80\xae$n.csv", "\xff\xfe$n.csv", "\$(touch $n).csv", "'; DROP TABLE x; --$n.csv", 'x' x 200 . "$n.csv")[ $n % 8 ];

	link("$self->{made}/$kind", "$self->{in}/" . ($kind eq 'odd' ? $odd : sprintf('2019-10-01-20-%02d-%d.csv', $n % 60, $n))) or die "can't link: $!";
	return;
}

sub end
{
	my ($self) = @_;
	my $node = $self->{node};
	my @said = split(/\n/, $node->safe_psql('shop', q{SELECT sellometer.shown(format('%s: %s', name, coalesce(last_error,
			(SELECT string_agg(format('%s %s', n, state), ', ') FROM (SELECT state, count(*) AS n FROM sellometer.objects WHERE source = name GROUP BY 1) o), 'nothing yet')))
		FROM sellometer.sources WHERE name ~ '^hostile' ORDER BY 1}));

	$self->{counted} = $node->safe_psql('shop', q{SELECT coalesce(sum(rows_counted), 0) FROM sellometer.objects WHERE source ~ '^hostile'});
	$node->safe_psql('shop', q{SELECT sellometer_drop_source(name) FROM sellometer.sources WHERE name ~ '^hostile'});
	# what the worker had in hand of them comes to the ledger still; a source that it begins to list after that has seen it all
	$node->safe_psql('shop', q{CREATE TABLE IF NOT EXISTS public.before AS SELECT name, list_requests FROM sellometer.sources});
	wait_until($node, q{SELECT bool_and(s.list_requests > b.list_requests + 3) FROM sellometer.sources s JOIN public.before b USING (name)});
	$node->safe_psql('shop', q{DROP TABLE public.before;
		DELETE FROM sellometer.objects WHERE source ~ '^hostile'; DELETE FROM sellometer.former_sources WHERE name ~ '^hostile';
		DROP SERVER hostile CASCADE});
	$self->{fake}->stop;
	return @said;
}

1;
