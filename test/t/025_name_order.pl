# What is new in a bucket is found soon although it takes long to list the whole, and web servers do not finish in the order
# of their names.
use strict;
use warnings FATAL => 'all';

use HTTP::Tiny;
use PostgreSQL::Test::Utils;
use SlmS3;
use SlmTest;
use Test::More;
use Time::HiRes qw(time);

my $node = slm_node('order', conf => "sellometer.poll_interval = 50ms\n");
my $fake = SlmS3->fake;
my $WHOLE = qr{^/shelf\?(?!.*start-after)};

$fake->create_server($node, 'shop', 's3', url_style => 'path');

my $http = HTTP::Tiny->new;

sub put
{
	my ($key) = @_;
	my $answer = $http->put("$fake->{endpoint}/shelf/$key",
		{ content => csv(event(event_time => '2019-10-01 00:05:01', event_type => 'purchase')) });

	die "could not put $key" unless $answer->{success};
	return;
}

# Put an object, and return how long it took to be loaded.
sub put_and_load
{
	my ($key) = @_;
	my $begin = time;

	put($key);
	wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = '$key' AND state = 'done'");
	return time - $begin;
}

# more than are always listed
put(sprintf('2019-10-01-00-04-%04d.csv', $_)) foreach (1 .. 1100);
$node->safe_psql('shop', "SELECT sellometer_add_source('s', 's3://shelf/', server => 's3')");
wait_until($node, "SELECT count(*) = 1100 FROM sellometer.objects WHERE state = 'done'");
# A list of all of it takes 1 s from now on, so one is made each 21 s.
$fake->control(slow_list => 1);
my $before = $fake->requests($WHOLE);
until ($fake->requests($WHOLE) > $before) { select(undef, undef, undef, 0.05); }
for my $server (3, 1, 2)
{
	cmp_ok(put_and_load("2019-10-01-00-05-$server.csv"), '<', 5, "the file of server $server is found at once");
}
my $whole = $fake->requests($WHOLE) - $before;
cmp_ok($whole, '<=', 2, "without a list of the whole ($whole)");
$node->stop;
done_testing();
