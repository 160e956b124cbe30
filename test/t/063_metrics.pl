# sellometer.metrics by prometheus-postgres-exporter: what a scrape says is what SQL says, all of it, in Prometheus' format and under names as
# Prometheus wants them; counters only grow, whatever becomes of the ledger.
use strict;
use warnings FATAL => 'all';

use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $root = slm_root();
my $node = slm_node('metrics', conf => "sellometer.poll_interval = '100ms'\n");
my $dir = slm_directory($node, 'in');
my $gone = slm_directory($node, 'gone');
my ($port, $exporter, $log) = (PostgreSQL::Test::Cluster::get_free_port(), undef, $node->basedir . '/exporter.log');

sub value { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

sub read_metrics
{
	my ($input, @arguments) = @_;
	my ($output, $error) = ('', '');

	IPC::Run::run(['python3', "$root/test/prometheus/read.py", @arguments], '<', \$input, '>', \$output, '2>', \$error)
	  or die "test/prometheus/read.py: $error";
	return split(/\n/, $output);
}

# What there is now by SQL: name and labels => [value, type, help]
sub by_sql
{
	my %found = map { my ($name, $labels, @rest) = split(/\t/); ("$name " . canonical($labels) => \@rest) }
	  split(/\n/, value(q{SELECT concat_ws(E'\t', name, labels, value, type, help) FROM sellometer.metrics}));
	return \%found;
}

sub canonical { my ($labels) = @_; return JSON::PP->new->canonical->encode(JSON::PP->new->decode($labels)); }

sub scrape
{
	my $answer = HTTP::Tiny->new(timeout => 20)->get("http://127.0.0.1:$port/metrics");

	return $answer->{success} ? $answer->{content} : undef;
}

# The same, as the exporter has it.
sub by_exporter
{
	my %found = map { my ($name, $labels, @rest) = split(/\t/); ("$name " . canonical($labels) => \@rest) } read_metrics(scrape());
	return \%found;
}

# Time goes on between two looks: what is scraped lies between what SQL says before and after.
sub agree
{
	my ($when) = @_;
	my ($scraped, @wrong);

	# the worker may just have done something
	for my $try (1 .. 3)
	{
		(my $before, $scraped, my $after) = (by_sql(), by_exporter(), by_sql());
		@wrong = ();
		foreach my $metric (sort keys %{ { %$before, %$scraped } })
		{
			my ($was, $is, $will) = map { $_->{$metric} } ($before, $scraped, $after);
			next if $was && $is && $will && $is->[1] eq $was->[1] && $is->[2] eq $was->[2]
				&& $is->[0] >= $was->[0] - 1e-6 && $is->[0] <= $will->[0] + 1e-6;
			push @wrong, "$metric: " . join(' / ', map { $_ ? "@$_" : '-' } ($was, $is, $will));
		}
		last if !@wrong;
	}
	cmp_ok(scalar(keys %$scraped), '>', 60, "$when: there is much to see");
	is(join("\n", @wrong), '', "$when: the exporter says what SQL says");
	return $scraped;
}

sub of { my ($metrics, $name, %labels) = @_; my $m = $metrics->{"$name " . JSON::PP->new->canonical->encode(\%labels)}; return $m ? $m->[0] + 0 : 'none'; }

END { local $?; if (defined $exporter) { $exporter->kill_kill; } }

# A reader, and nobody more
value(q{CREATE ROLE prometheus LOGIN; SELECT sellometer_grant_reader('prometheus')});
{
	local %ENV = (%ENV, DATA_SOURCE_NAME => 'user=prometheus dbname=shop sslmode=disable host=' . $node->host . ' port=' . $node->port);
	$exporter = IPC::Run::start(['prometheus-postgres-exporter', '--disable-default-metrics', '--disable-settings-metrics',
		"--extend.query-path=$root/prometheus/queries.yaml", "--web.listen-address=127.0.0.1:$port"], '<', \undef, '>&', $log);
}
for my $try (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last if (scrape() // '') =~ /^sellometer_worker_up\{/m;
	$exporter->pumpable or die 'the exporter has ended: ' . slurp_file($log);
	select(undef, undef, undef, 0.1);
}

# Objects that are loaded, are partly rejected, come late, or fail; a source that can't be listed; alerts
my ($rows, $bytes, $objects) = (0, 0, 0);
for my $minute (0 .. 9)
{
	my $time = sprintf('2019-10-01 10:%02d:30 UTC', $minute);
	my @events = map { event(event_time => $time, event_type => (qw(view cart purchase))[$_ % 3], product_id => $_, price => "$_.50", user_session => "s$_") } 1 .. 60;
	push @events, event(event_time => $time, event_type => 'purchase', product_id => 'none', price => 1) if $minute < 4;
	my $content = csv(@events);
	write_object($dir, sprintf('2019-10-01-10-%02d.csv', $minute), $content);
	($rows, $bytes, $objects) = ($rows + @events, $bytes + length($content), $objects + 1);
}
value(qq{SELECT sellometer_add_source('shop', 'file://$dir/'); SELECT sellometer_add_source('gone', 'file://$gone/')});
wait_until($node, q{SELECT count(*) = 10 FROM sellometer.objects WHERE state = 'done'});
write_object($dir, '2019-10-01-10-10.csv', "event_time,price\n2019-10-01 10:10:00,1\n");
write_object($dir, '2019-10-01-09-00.csv', csv(event(event_time => '2019-10-01 09:00:00', event_type => 'purchase', product_id => 1, price => 2)));
rmdir($gone) or die;
wait_until($node, q{SELECT string_agg(state, ' ' ORDER BY key) FILTER (WHERE key !~ '-10-0[0-9].csv') = 'backlog failed' AND (SELECT last_error IS NOT NULL FROM sellometer.sources WHERE name = 'gone')
	FROM sellometer.objects});
value(q{INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, detail, closed_at) VALUES
	('price_anomaly', 'critical', 'product_id', '1', now(), 'wrong', NULL), ('price_anomaly', 'critical', 'product_id', '2', now(), 'wrong', NULL),
	('price_anomaly', 'warning', 'product_id', '3', now(), 'odd', NULL), ('low_inventory', 'warning', 'product_id', '4', now(), 'was low', now())});

my $first = agree('with data');
is(of($first, 'sellometer_worker_up'), 1, 'a worker runs');
is(of($first, 'sellometer_head_timestamp_seconds'), value(q{SELECT extract(epoch FROM timestamptz '2019-10-01 10:09:30+00')::integer}), 'the head');
is(join(' ', map { of($first, "sellometer_source_$_", source => 'shop') } qw(enabled readable pending_objects backlog_objects failed_objects loaded_objects_total loaded_bytes_total)),
	"1 1 0 1 1 $objects $bytes", 'a source, and what is loaded of it');
# views of products 3, 6, … and so on are seen once a session: nine minutes' are duplicates
is(join(' ', map { of($first, 'sellometer_source_rows_total', source => 'shop', outcome => $_) } qw(counted duplicate rejected expired)),
	join(' ', $rows - 4 - 9 * 20, 9 * 20, 4, 0), 'what became of the rows');
is(join(' ', map { of($first, "sellometer_source_$_", source => 'gone') } qw(enabled readable loaded_objects_total)), '1 0 0', 'a source that is gone');
is(of($first, 'sellometer_source_head_timestamp_seconds', source => 'gone'), 'none', 'what is not known has no value');
cmp_ok(of($first, 'sellometer_source_last_error_timestamp_seconds', source => 'gone'), '>', time() - 600, 'since when');
is(join(' ', map { of($first, 'sellometer_alerts_open', kind => $_->[0], severity => $_->[1]) }
	(['price_anomaly', 'critical'], ['price_anomaly', 'warning'], ['low_inventory', 'warning'])), '2 1 0', 'open alerts');
is(of($first, 'sellometer_health_severity', name => 'source gone'), 2, 'health');
is(of($first, 'sellometer_tier_size_bytes', tier => 'minute'),
	value(q{SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent::regclass::text LIKE 'sellometer.%_minute'}), 'the size of a tier');

# Counters only grow
value('CALL sellometer_merge_backlog(); CALL sellometer_rollup()');
value(q{SELECT sellometer_retry('shop', '2019-10-01-10-00.csv')});
wait_until($node, q{SELECT count(*) = 0 FROM sellometer.objects WHERE state IN ('pending', 'backlog')});
my $second = agree('later');
is(of($second, 'sellometer_source_rows_total', source => 'shop', outcome => 'counted') - of($first, 'sellometer_source_rows_total', source => 'shop', outcome => 'counted'),
	1, 'a late row is counted');
is(of($second, 'sellometer_source_backlog_objects', source => 'shop'), 0, 'and no object is late any more');
value(q{DELETE FROM sellometer.objects WHERE state = 'done'; DELETE FROM sellometer.alerts});
my $third = agree('after the ledger has forgotten');
my @fallen = grep { /_total / && !($third->{$_} && $third->{$_}[0] >= $first->{$_}[0]) } sort keys %$first;
is(join("\n", @fallen), '', 'no counter ever falls');
is(of($third, 'sellometer_alerts_open', kind => 'price_anomaly', severity => 'critical'), 0, 'no alert is a number too');

# The files
my %listed = map { (split(/\t/))[0] => 1 } read_metrics('', 'queries', "$root/prometheus/queries.yaml");
my @unlisted = grep { !$listed{$_} } map { (split(/ /))[0] } keys %$second;
is("@unlisted", '', 'the query file has all there is');
# of what has no value now, the exporter has the name nevertheless
is(join("\n", read_metrics(scrape(), 'rules', "$root/prometheus/rules.yaml")), '', 'the rules look at metrics that there are');
is(join("\n", read_metrics('', 'rules', "$root/prometheus/rules.yaml") ? 'named' : ''), 'named', 'and it would be seen if not');

# By Prometheus' own tool: the format and the names; each rule fires when it should, and ends
sub promtool
{
	my ($input, @arguments) = @_;
	my $output = '';

	my $ok = IPC::Run::run(['promtool', @arguments], '<', \$input, '>&', \$output);
	return $ok ? $output =~ s/^Unit Testing:.*\n|\s*SUCCESS\s*//gmr : "failed: $output";
}
my $exposed = join('', grep { /^(# \w+ )?sellometer_/ } split(/^/, scrape()));
is(promtool($exposed, qw(check metrics)), '', 'promtool has nothing to say of the metrics');
isnt(promtool($exposed =~ s/_list_requests_total/_list_requests/gr, qw(check metrics)), '', 'which it would of a counter without _total');
is(promtool('', qw(test rules), "$root/test/prometheus/rules.yaml"), '', 'each alert rule fires and ends');
my $rules = slurp_file("$root/prometheus/rules.yaml");
my $copy = $node->basedir . '/rules';
mkdir($_) or die foreach ($copy, "$copy/prometheus", "$copy/test", "$copy/test/prometheus");
append_to_file("$copy/test/prometheus/rules.yaml", slurp_file("$root/test/prometheus/rules.yaml"));
append_to_file("$copy/prometheus/rules.yaml", $rules =~ s/> 600/> 900/r);
isnt(promtool('', qw(test rules), "$copy/test/prometheus/rules.yaml"), '', 'and it would be seen if one did not');

# What it costs
value('SELECT count(*) FROM sellometer.metrics');
my @took = sort { $a <=> $b } map { /^Time: ([\d.]+)/ ? $1 : () } split(/\n/, $node->safe_psql('shop', "\\timing on\n" . "SELECT count(*) FROM sellometer.metrics;\n" x 9));
cmp_ok($took[4], '<', 100, 'it is cheap, also on a slow machine');
note("$took[4] ms");

$node->stop;
done_testing();
