# Each alert rule is made to fire, and to be quiet again: what its query gives as time goes on.
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use SlmGrafana;
use SlmTest;
use Test::More;

my $node = slm_node('rules', conf => "jit = off\n");
my $dir = slm_directory($node, 'in');
my $number = 0;
my %tried;

# The instances that fire, each by its labels, or one by its name; also notes that the rule has fired, and has not.
sub firing
{
	my ($title, $name) = @_;
	my @firing = grep { $_->{firing} && (!defined $name || $_->{labels}{name} eq $name) } grafana_rule($node, $title);

	$tried{$title}{ @firing ? 'fired' : 'quiet' } = 1;
	return join('; ', sort map { my $labels = $_->{labels}; join(', ', map { "$_=$labels->{$_}" } sort keys %$labels) || 'yes' } @firing);
}

sub summary
{
	my ($title, $key) = @_;
	my ($instance) = grep { ($_->{labels}{key} // '') eq $key } grafana_rule($node, $title);

	return $instance->{summary};
}

sub sql { return $node->safe_psql('shop', @_); }

# Lines of an object that comes now; each event is so many seconds ago.
sub send_events
{
	my (@events) = @_;
	my $key = strftime('%Y-%m-%d-%H-%M', gmtime) . '-' . ++$number . '.csv';

	write_object($dir, $key, csv(map { my ($ago, %event) = @$_; event(event_time => strftime('%Y-%m-%d %H:%M:%S UTC', gmtime(time - $ago)), %event) } @events));
	wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = '$key' AND state NOT IN ('pending')");
	return $key;
}

grafana_reader($node);
is(firing('No worker runs'), '', 'no worker is missed where there is no source');
sql(qq{SELECT sellometer_add_source('shop', 'file://$dir/')});
wait_until($node, 'SELECT count(*) = 1 FROM sellometer.sources WHERE listed_at IS NOT NULL');
is(firing($_), '', "$_: not with a source that is new") for 'Data is late', 'Nothing comes', 'No worker runs', 'A source can\'t be listed';

# What comes, and when
send_events([ 1200, product_id => 1 ]);
is(firing('Data is late'), 'source=shop', 'what comes is twenty minutes old');
send_events([ 5, product_id => 2 ]);
is(firing('Data is late'), '', '... and what comes then is not');

is(firing('Nothing comes'), '', 'something has come just now');
sql(q{UPDATE sellometer.objects SET ingested_at = ingested_at - interval '16 minutes', last_modified = last_modified - interval '16 minutes'});
is(firing('Nothing comes'), 'source=shop', 'nothing has come for sixteen minutes');
is(firing('Data is late'), '', '... which the age of the data does not show yet');
send_events([ 4, product_id => 3 ]);
is(firing('Nothing comes'), '', '... and something has come again');

sql(q{INSERT INTO sellometer.objects (source, key, etag, size, last_modified, state, attempts, next_attempt, error)
	VALUES ('shop', 'waits.csv', 'x', 10, now() - interval '6 minutes', 'pending', 3, now() + interval '1 hour', 'no answer')});
is(firing('Objects wait'), 'source=shop', 'an object waits');
sql(q{DELETE FROM sellometer.objects WHERE key = 'waits.csv'});
is(firing('Objects wait'), '', '... and no more');

sql(q{INSERT INTO sellometer.objects (source, key, etag, size, last_modified, state, object_time)
	SELECT 'shop', 'late-' || i, 'x', 10, now(), 'backlog', now() - interval '1 day' FROM generate_series(1, 1000) i});
is(firing('Backlog grows'), '', 'a thousand late objects are not too many');
sql(q{INSERT INTO sellometer.objects (source, key, etag, size, last_modified, state, object_time) VALUES ('shop', 'late', 'x', 10, now(), 'backlog', now() - interval '1 day')});
is(firing('Backlog grows'), 'source=shop', '... one more is');
sql(q{DELETE FROM sellometer.objects WHERE state = 'backlog'});
is(firing('Backlog grows'), '', '... and they are merged');

# What is wrong with it
is(firing('Many rows are rejected'), '', 'no row is rejected');
send_events((map { [ 3, product_id => $_ ] } 1 .. 8), [ 3, product_id => 'none' ]);
is(firing('Many rows are rejected'), 'source=shop', 'one of twelve rows is rejected');
send_events(map { [ 3, product_id => $_ ] } 1 .. 20);
is(firing('Many rows are rejected'), '', '... of thirty-two is not so many');

is(firing('Objects have failed'), '', 'no object has failed');
is(firing('Something is not well', 'objects of shop'), '', '... which is well');
write_object($dir, 'broken.csv', "event_time,product_id\n");
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.objects WHERE state = 'failed'});
is(firing('Objects have failed'), 'source=shop', 'an object has failed');
is(firing('Something is not well', 'objects of shop'), 'name=objects of shop', '... of which health tells too');
sql(q{SELECT sellometer_skip('shop', 'broken.csv')});
is(firing($_, $_ eq 'Objects have failed' ? undef : 'objects of shop'), '', "$_: it is put aside") for 'Objects have failed', 'Something is not well';

is(firing('A source can\'t be listed'), '', 'the source is listed');
is(firing('Something is wrong'), '', '... and nothing is wrong');
rename($dir, "$dir.away") or die;
wait_until($node, 'SELECT last_error_at IS NOT NULL FROM sellometer.sources');
is(firing('A source can\'t be listed'), 'source=shop', 'it can\'t be listed');
is(firing('Something is wrong'), 'name=source shop', '... which is wrong');
rename("$dir.away", $dir) or die;
wait_until($node, 'SELECT last_error_at IS NULL FROM sellometer.sources');
is(firing($_), '', "$_: it can be listed again") for 'A source can\'t be listed', 'Something is wrong';

# Who works
$node->adjust_conf('postgresql.conf', 'sellometer.database', "''");
$node->restart;
is(firing('No worker runs'), 'yes', 'no worker runs');
$node->adjust_conf('postgresql.conf', 'sellometer.database', "'shop'");
$node->restart;
wait_until($node, 'SELECT sellometer.worker_pid() IS NOT NULL');
is(firing('No worker runs'), '', 'it runs again');

is(firing('Housekeeping fails'), '', 'no procedure has failed');
sql(q{INSERT INTO sellometer.runs (procedure, started, finished, outcome) VALUES ('archive', now() - interval '2 minutes', now(), 'failed'), ('prune', now() - interval '1 minute', NULL, 'died')});
is(firing('Housekeeping fails'), 'procedure=archive; procedure=prune', 'two have');
sql(q{UPDATE sellometer.runs SET started = started - interval '1 hour' WHERE procedure = 'archive'});
is(firing('Housekeeping fails'), 'procedure=prune', '... one of them an hour ago');
sql(q{UPDATE sellometer.runs SET started = started - interval '1 hour'});
is(firing('Housekeeping fails'), '', '... both of them');

# What is sold
is(firing('No purchases'), '', 'too little is looked at to say');
send_events(map { my $ago = 20 * $_; map { [ $ago, product_id => $_ ] } 1 .. 5 } 0 .. 60);
sql('CALL sellometer_merge_backlog()');
send_events([ 0, product_id => 9 ], [ 0, product_id => 9 ], [ 0, product_id => 9 ]);
is(firing('No purchases'), 'yes', 'much is looked at, nothing bought');
send_events([ 600, event_type => 'purchase', product_id => 2 ]);
sql('CALL sellometer_merge_backlog()');
is(firing('No purchases'), '', '... and something is bought');

# What detectors find: an instance a key
sql(q{INSERT INTO sellometer.products VALUES (9007199254740993, 'A name, of an id beyond 2^53', NULL, NULL)});
sql(q{INSERT INTO sellometer.sold_products (product_id, category, sales, low, high) VALUES (1004856, 'electronics.smartphone.smartphone', 50, 131, 132)});
for my $rule ([ 'Critical alert', 'critical' ], [ 'Warning', 'warning' ])
{
	my ($title, $severity) = @$rule;
	my $open = sub {
		sql(qq{INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, observed, expected, detail)
			VALUES ('price_anomaly', '$severity', 'product_id', '$_[0]', now(), $_[1], 131.51, 'as a test')});
	};

	is(firing($title), '', "$title: none is open");
	$open->('1004856', '13.15');
	my ($labels, $first, $second) = ('about=product, currency=$, dimension=product_id, has_expected=yes, has_observed=yes', 'key=1004856, kind=price_anomaly, name=electronics.smartphone',
		'key=9007199254740993, kind=price_anomaly, name=A name, of an id beyond 2^53');
	is(firing($title), "$labels, $first", "$title: a wrong price");
	$open->('9007199254740993', '1315.10');
	is(firing($title), "$labels, $first; $labels, $second",
		'... a second one is an instance of its own');
	like(summary($title, '1004856'), qr/^price_anomaly: product 1004856 \(electronics\.smartphone\)\. Observed: \$13\.15\. Expected: \$131\.51\. The reason/,
		'... which says of what, what was seen, and what is usual');
	like(summary($title, '9007199254740993'), qr/^price_anomaly: product 9007199254740993 \(A name, of an id beyond 2\^53\)\. Observed: \$1315\.1\. Expected: \$131\.51\./,
		'... likewise, by the name that somebody has given it');
	sql(q{UPDATE sellometer.alerts SET observed = 14, detail = 'otherwise' WHERE key = '1004856'});
	is(scalar(() = firing($title) =~ /key=1004856/g), 1, '... that goes on as the same instance while its numbers change');
	sql(q{UPDATE sellometer.alerts SET closed_at = now() WHERE key = '1004856'});
	is(firing($title), "$labels, $second", '... one is over');
	sql(q{UPDATE sellometer.alerts SET closed_at = now() WHERE closed_at IS NULL});
	sql(qq{INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, observed, expected, detail) VALUES
		('left_in_cart', '$severity', 'user_session', 'all', now(), 7, NULL, 'no number is usual'), ('own', '$severity', 'brand', 'a', now(), NULL, NULL, 'no number at all')});
	like(summary($title, 'all'), qr/^left_in_cart: all\. Observed: 7\. The reason/, '... what has no expected value says of none');
	like(summary($title, 'a'), qr/^own: brand a\. The reason/, '... nor of an observed one');
	sql(qq{INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, detail) VALUES ('own', '$severity', 'category_l1', 'a', now(), '')});
	is(scalar(() = firing($title) =~ /kind=own/g), 2, '... and a category of the same name is another instance');
	sql(q{UPDATE sellometer.alerts SET closed_at = now() WHERE closed_at IS NULL});
	is(firing($title), '', '... and both');
}

is(join(', ', grep { !$tried{$_}{fired} || !$tried{$_}{quiet} } keys %tried), '', 'each has fired, and has been quiet');
my @titles = map { /^\s+title: "(.*)"$/ ? $1 : () } split(/\n/, PostgreSQL::Test::Utils::slurp_file(slm_root() . '/grafana/provisioning/alerting/rules.yaml'));
is(join(', ', sort keys %tried), join(', ', sort @titles), 'all rules were tried');

$node->stop;
done_testing();
