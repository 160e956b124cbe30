# Each call and view that users have, in the dashboards' database of nodes and in a node that shows all: it gives what one database gives that counts
# all, or is refused with the way, or is of the one database by its nature.  A call or view that is none of these is an error here.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmAsking;
use SlmRandom;
use SlmSlices;
use SlmTest;
use Test::More;

my $node = slm_node('each', conf => "sellometer.database = ''\nfsync = off\nmax_connections = 60\nsellometer.max_clock_skew = 1000d\n");
my $dir = slm_directory($node, 'in');
my @PRODUCTS = (1 .. 15, map { "AB-$_/red" } 1 .. 15);

# An hour of a file: products that are numbers and texts, some with names.
sub make_file
{
	my ($hour) = @_;
	my $content = "event_time,event_type,product_id,category_code,brand,price,user_id,user_session,product_name,country,tag\n";

	for my $n (1 .. 400)
	{
		my $i = int rand @PRODUCTS;
		my $user = int rand 30;

		$content .= join(',', sprintf('2019-10-0%d %02d:%02d:%02d', 1 + $hour / 24, $hour % 24, $n * 60 / 401, int rand 60), pick(qw(view view cart purchase purchase)), $PRODUCTS[$i], $i % 7 == 0 ? '' : 'a.b' . $i % 3,
			'brand' . $i % 5, sprintf('%.2f', 10 + $i + int rand 3), $user, "s$user", $i % 3 == 0 ? "Thing $i" : '', pick(qw(de fr it)), 't' . int rand 9) . "\n";
	}
	append_to_file(sprintf("$dir/2019-10-0%d-%02d-00-00.csv", 1 + $hour / 24, $hour % 24), $content);
	return;
}

sub know
{
	my ($database, @nodes) = @_;

	$node->safe_psql($database, 'CREATE EXTENSION IF NOT EXISTS postgres_fdw; CREATE EXTENSION IF NOT EXISTS dblink');
	$node->safe_psql($database, "SELECT sellometer_add_node('$_', 'host=" . $node->host . ' port=' . $node->port . " dbname=$_ user=asker')") foreach (@nodes);
	return;
}

srand(17);
$node->safe_psql('postgres', 'CREATE ROLE asker LOGIN; CREATE ROLE viewer LOGIN');
make_file($_) foreach (0 .. 29);
my @slices = make_slices($node, "file://$dir/", 3);
$node->safe_psql('postgres', 'CREATE DATABASE dash');
$node->safe_psql('dash', 'CREATE EXTENSION sellometer');
let_ask($node, $_) foreach (@slices);
for my $database ('shop', @slices, 'dash')
{
	$node->safe_psql($database, "SET client_min_messages = warning; $_") foreach (q{SELECT sellometer_add_dimension('country', visits => true); SELECT sellometer_add_dimension('tag', max_keys => 4); SELECT sellometer_add_dimension('few', 'tag', max_keys => 40)},
		q{INSERT INTO sellometer.products VALUES (3, 'The third', 'https://x.example/3', NULL), (7, E'Name\nin lines', NULL, NULL)},
		$database eq 'dash' ? 'SELECT' : q{INSERT INTO sellometer.inventory SELECT p, CASE WHEN p % 2 = 0 THEN 1 ELSE 100000 END, '2019-10-01', '2 days' FROM generate_series(1, 9) p});
}
for my $database ('shop', @slices)
{
	$node->safe_psql($database, q(SELECT sellometer_set_format('a', '{"product_ids": "text"}', rows => 0)));
	$node->safe_psql($database, "SET client_min_messages = warning; $_")
		foreach ('CALL sellometer_ingest()', 'CALL sellometer_merge_backlog()', 'CALL sellometer_rollup()', 'SELECT FROM sellometer.fold_offers()', 'CALL sellometer_detect()');
}
know('dash', @slices);
know('s1', @slices);
$node->safe_psql($_, q{SELECT sellometer_grant_reader('viewer')}) foreach ('shop', 'dash', 's1');

my ($p, $d, $r) = ("'product_id'", "'2019-10-01Z'", "'2019-10-01Z', '2019-10-03Z'");
my $text = $node->safe_psql('shop', 'SELECT max(product_id) FROM sellometer.skus');

# What gives the same in all: statements.
my %same = (
	series => [ "sellometer_series($p, 'view', 'AB-3/red', $r, '1 hour')", "sellometer_series('country', 'purchase', 'de', $r, '1 day')", "sellometer_series($p, 'view', '$text', $r, '1 hour')" ],
	series_of => ["sellometer_series_of($p, 'view', ARRAY['AB-3/red', '3', 'AB-4/red'], $r, '1 day')"],
	total => [ "sellometer_total($p, 'cart', ARRAY['AB-3/red', '3', 'nothing'], $r)", "sellometer_total('view', $r)" ],
	top => [ map { "sellometer_top('$_', 'purchase', $r, 12)" } qw(product_id brand category_l2 country) ],
	top_of => ["sellometer_top_of($p, 'view', '{brand1,brand2}', NULL, $r, 9)"],
	compare => ["sellometer_compare($p, 'view', 'AB-3/red', '2019-10-01 20:00Z', '2019-10-02Z')"],
	movers => [ map { "sellometer_movers('$_', 'view', '2019-10-01 20:00Z', '2019-10-02Z', NULL, 12)" } qw(product_id brand country) ],
	events => [ "sellometer_events($p, 'AB-3/red', $r)", "sellometer_events('country', 'fr', '2019-10-01Z', '2019-10-01 02:00Z')" ],
	product_name => [ map { "sellometer_product_name($_)" } 1, 2, 3, 7, $text, "sellometer_product_id('AB-1/red')" ],
	sku => [ map { "sellometer_sku($_)" } 1, -7, $text ],
	key_label => [ map { "sellometer_key_label('product_id', '$_')" } 1, 2, 3, 4, 7, 'AB-1/red', 'AB-2/red', 'AB-3/red', $text, 'nothing' ],
	product_id => ["sellometer_product_id('AB-1/red')"],
	similar_products => [ map { "sellometer_similar_products($_, 4)" } 1, 2, 3, 4, $text ],
	slice_of => ['sellometer_slice_of(77, 3)'],
	category_levels => ["sellometer_category_levels('a.b')"]);
my %same_views = (
	left_in_cart => 'SELECT x.product_id, x.price, x.since, x.name FROM sellometer.left_in_cart x', low_inventory => 'SELECT x.product_id, x.stock_left, x.sold, x.cover, x.name FROM sellometer.low_inventory x',
	status => 'SELECT x.source, x.head, x.pending_objects, x.failed_objects FROM sellometer.status x',
	alerts => "SELECT x.kind, x.dimension, x.key, x.event_time FROM sellometer.alerts x WHERE x.kind = 'low_inventory'",
	(map { ($_ => "SELECT x.* FROM sellometer.$_ x") } qw(reached all_sold_products)));

# What is refused, and how.
my %refused = (
	(map { ($_ => [ $_ eq 'count_visits' ? 'SELECT sellometer_count_visits()' : $_ eq 'visits' ? "SELECT * FROM sellometer_visits($r)" : "SELECT * FROM sellometer_visits_by('country', $r)", qr/visits can't be counted.*database of its own that has no sellometer.slice/s ]) }
		qw(count_visits visits visits_by)));
# ... in a database that loads nothing, and so has nothing to do there.
my %refused_in_front = (
	add_source => [ "SELECT sellometer_add_source('x', 'file:///')", qr/shows what nodes have, and loads nothing.*on each node/s ],
	forget_user => [ 'CALL sellometer_forget_user(7)', qr/shows what nodes have.*on each node/s ]);

# Of the one database: what it loads, keeps and tells of itself, and how it is set up.  What is set for all goes by sellometer_on_nodes().
my %one = map { $_ => 1 } qw(s3_validator list read_csv parse_csv drop_source alter_source move_source enable_source ingest merge_backlog set_format sniff wake retry skip check rollup prune
	add_tier alter_tier drop_tier unpack schedule unschedule add_dimension drop_dimension grant_reader capacity archive replay unload unload_in_steps declare_lost stop_visits detect mute
	override_category override_brand relabel relabel_brand remind reminder_still_due reminders_to_send reminder_sending reminder_sent reminder_failed reminder_opt_out alerts_sending alerts_sent
	alerts_failed grant_mailer add_node drop_node on_nodes);
my %one_view = map { $_ => 1 } qw(formats progress lock_holders dimension_limits ended_objects user_cart_times unreadable_objects visits_minute visits_hour visits_day baselines carts_in_no_reminder carts_to_remind
	all_totals as_node held_now status_now totals_now nodes_left_out set_up shift_suspects_now shift_seen_now cart_states);

# compared elsewhere: they tell of each node
my %elsewhere = map { $_ => 1 } qw(report health);

sub answer
{
	my ($database, $sql, $user) = @_;

	return join("\n", ($node->psql($database, "SET client_min_messages = error; SET timezone = 'UTC'; $sql", $user ? (extra_params => [ '-U', $user ]) : ()))[ 1, 2 ]);
}

for my $database ('dash', 's1')
{
	my @wrong;

	for my $sql ((map { my $calls = $same{$_}; map { /^sellometer_(top|movers|total|series)/ ? "SELECT row_number() OVER (), x FROM $_ x" : "SELECT x::text FROM $_ x ORDER BY 1" } @$calls } sort keys %same),
		map { "SELECT y::text FROM ($_) y ORDER BY 1" } map { $same_views{$_} } sort keys %same_views)
	{
		my ($is, $should) = map { answer($_, $sql) } $database, 'shop';

		push @wrong, "$sql\nis: " . substr($is, 0, 400) . "\nnot: " . substr($should, 0, 400) if $is ne $should || $should =~ /ERROR/ || $should eq '';
	}
	is(substr(join("\n", @wrong), 0, 4000), '', "$database: the same as in one database that counts all");
	@wrong = grep { answer($database, $_, 'viewer') ne answer('shop', $_, 'viewer') } map { "SELECT x::text FROM $_ x ORDER BY 1" } map { @{ $same{$_} } } qw(top movers product_name key_label sku series);
	is(join("\n", @wrong), '', '... also for a role that only reads');
	like(answer($database, $refused{$_}[0]), $refused{$_}[1], "... sellometer_$_() is refused, with the way") foreach (sort keys %refused);
	# health, and how long ago it was, are of the database
	my ($is, $should) = map { my $page = answer($_, 'SELECT sellometer_report()'); join("\n", $page =~ /(<dd id="tile-.*?<\/dd>)/g, $page =~ /(<section class="card" id="top-.*?<\/section>)/gs) } $database, 'shop';
	like($should, qr/Thing \d+/, '... the report');
	ok($is eq $should, '... and all lists in it');
}
like(answer('dash', $refused_in_front{$_}[0]), $refused_in_front{$_}[1], "sellometer_$_() is refused where nothing is loaded, with the way") foreach (sort keys %refused_in_front);

# --- who left something in a cart ---

my $people = 'SELECT string_agg(user_id || user_session, \',\' ORDER BY user_id, product_id) FROM sellometer.left_in_cart';
like(answer('dash', $people, 'viewer'), qr/permission denied for view left_in_cart/, 'a reader is not told whose carts they are');
$node->safe_psql('dash', 'GRANT SELECT ON sellometer.left_in_cart TO viewer');
like(answer('dash', $people, 'viewer'), qr/permission denied for view own_left_in_cart/, '... nor is the role that asks');
$node->safe_psql($_, 'GRANT SELECT ON sellometer.own_left_in_cart TO asker') foreach (@slices);
is(answer('dash', $people, 'viewer'), answer('shop', $people), '... until both are granted it');

# --- more keys than a dimension may have ---

my $tags = "sellometer_top('tag', 'view', $r, 100)";
my ($status, $out, $err) = $node->psql('dash', "SELECT sum(count), sum(gmv) FROM $tags");
is($out, $node->safe_psql('shop', "SET client_min_messages = error; SELECT sum(count), sum(gmv) FROM $tags"), 'keys of a full dimension, and what is counted as other, are together all that there is');
isnt(answer('s0', 'SELECT key FROM sellometer.dimension_keys k JOIN sellometer.dimensions d ON d.id = dimension_id WHERE dimension = \'tag\' ORDER BY 1'),
	answer('s2', 'SELECT key FROM sellometer.dimension_keys k JOIN sellometer.dimensions d ON d.id = dimension_id WHERE dimension = \'tag\' ORDER BY 1'), '... of which nodes have others');
like($err, qr/WARNING:  dimension "tag" has as many keys as it may have on these nodes: s0, s1, s2/, '... which is said');
for my $sql ("sellometer_series('tag', 'view', 't1', $r, '1 day')", "sellometer_total('tag', 'view', '{t1}', $r)", "sellometer_movers('tag', 'view', '2019-10-01 20:00Z', '2019-10-02Z')",
	"sellometer_compare('tag', 'view', 't1', '2019-10-01 20:00Z', '2019-10-02Z')", "sellometer_series_of('tag', 'view', '{t1}', $r, '1 day')", "sellometer_events('tag', 't1', $r)")
{
	($status, $out, $err) = $node->psql('dash', "SELECT count(*) FROM $sql");
	like($err, qr/WARNING:  dimension "tag" has as many keys/, "... by $sql too");
}
for my $view (qw(view_tag_minute view_tag_hour realtime_tag_hour view_tag_rank))
{
	($status, $out, $err) = $node->psql('dash', "SELECT count(*) FROM sellometer.$view");
	like($err, qr/WARNING:  dimension "tag" has as many keys/, "... by $view too");
	($status, $out, $err) = $node->psql('dash', 'SELECT count(*) FROM sellometer.' . $view =~ s/tag/few/r);
	is($err, '', '... and not by that of another dimension');
}
($status, $out, $err) = $node->psql('dash', "SELECT * FROM sellometer_top('few', 'view', $r, 100)");
is($err, '', 'a dimension that has room says nothing');
is($out, $node->safe_psql('shop', "SELECT * FROM sellometer_top('few', 'view', $r, 100)"), '... and is the same as in one database');
like($node->safe_psql('dash', q{SELECT string_agg(name || severity, ' ') FROM sellometer.health WHERE name ~ 'keys of tag'}), qr/node s0: keys of taginfo/, 'health has a row of each node');

# --- nothing is left out ---

my @calls = split(/\n/, $node->safe_psql('shop', q{SELECT DISTINCT substr(proname, 12) FROM pg_proc p WHERE starts_with(proname, 'sellometer_') AND pronamespace = 'public'::regnamespace
	AND obj_description(p.oid, 'pg_proc') NOT LIKE 'for aggregate%' AND prokind <> 'a' ORDER BY 1}));
is(join(' ', grep { !$same{$_} && !$refused{$_} && !$refused_in_front{$_} && !$one{$_} && !$elsewhere{$_} } @calls), '', 'each call is known here');
my @views = split(/\n/, $node->safe_psql('shop', q{SELECT relname FROM pg_class WHERE relnamespace = 'sellometer'::regnamespace AND relkind = 'v'
	AND relname !~ '^(own_|told_|health_|metrics|realtime_|(view|cart|purchase|remove_from_cart)_)' ORDER BY 1}));
is(join(' ', grep { !$same_views{$_} && !$one_view{$_} && !$elsewhere{$_} } @views), '', 'each view is known here');

# --- a node that has become another one ---

my @events = split(/\n/, $node->safe_psql('shop', q{SELECT relname FROM pg_class WHERE relnamespace = 'sellometer'::regnamespace AND relkind = 'v' AND relname ~ '^(realtime|view|cart|purchase)_(product_id|brand|category_l1|country)_'}));
for my $database ('dash', 's1')
{
	my $changed = qr/node "s2" has slice 0\/3 by now, not 2\/3/;
	my (@wrong, $errors);

	$node->safe_psql($database, q{ALTER SERVER sellometer_node_s2 OPTIONS (SET dbname 's0')});
	for my $sql ((map { my $x = $_; $x =~ /^SELECT/ ? "SELECT y::text FROM ($x) y ORDER BY 1" : "SELECT x::text FROM $x x ORDER BY 1" } (map { @$_ } values %same), values %same_views), (map { "SELECT x::text FROM sellometer.$_ x ORDER BY 1" } @events))
	{
		my $is = answer($database, $sql);

		$errors++, next if $is =~ $changed;
		push @wrong, "$sql\nis: " . substr($is, 0, 400) if $is ne answer('shop', $sql);
	}
	is(substr(join("\n", @wrong), 0, 4000), '', "$database: a node has another slice by now: what it has a part in is an error that names it");
	cmp_ok($errors, '>', scalar(@events), "... $errors of them");
	is($node->safe_psql($database, q{SELECT severity || ': ' || detail FROM sellometer.health WHERE name = 'node s2'}), 'critical: has slice 0/3 by now, not 2/3, so what all nodes have together can\'t be asked', '... and health says so');
	like(answer($database, q{SELECT * FROM sellometer_on_nodes('SELECT 1')}), $changed, '... nor is anything set there');
	my $parts = answer($database, q{SET sellometer.partial_results = on; SELECT string_agg(node, ',') FROM sellometer.nodes_left_out; SELECT sum(count) FROM sellometer.view_brand_hour});
	is($parts =~ s{\n$}{}r, "s2\n" . $node->safe_psql('shop', 'SELECT sum(count) FROM sellometer.view_product_id_hour WHERE sellometer_slice_of(product_id, 3) <> 2'), '... and where parts will do, it is left out');
	$node->safe_psql($database, q{ALTER SERVER sellometer_node_s2 OPTIONS (SET dbname 's2')});
}

# --- a part of the nodes ---

$node->safe_psql('postgres', 'ALTER DATABASE s2 ALLOW_CONNECTIONS false');
$node->restart;
my @left_out = map { answer('dash', "SET sellometer.partial_results = on; SELECT x::text FROM $_ x ORDER BY 1") } map { @{ $same{$_} } } qw(movers key_label product_name similar_products series_of);
is(scalar(grep { /ERROR/ } @left_out), 0, 'with parts of the whole none of these is an error');
my @errors = map { answer('dash', "SELECT x::text FROM $_ x ORDER BY 1") } "sellometer_movers($p, 'view', '2019-10-01 20:00Z', '2019-10-02Z')", (map { "sellometer_key_label('product_id', '$_')" } 1 .. 15);
is(scalar(grep { /node_s2/ } @errors) > 3, 1, '... else they name the node');
$node->stop;
done_testing();
