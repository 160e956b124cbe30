# sellometer_report() in a browser: it renders, says what the tables say, and stays a page whatever the names in the data.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('report', conf => "sellometer.poll_interval = '100ms'\n");
my $tmp = PostgreSQL::Test::Utils::tempdir();

# Run Chromium on a page, without a display and without the network; returns what it wrote to its output and log.
sub chromium
{
	my ($page, @options) = @_;
	my ($output, $log) = ('', '');
	my $profile = PostgreSQL::Test::Utils::tempdir();

	local $ENV{HOME} = $profile;
	IPC::Run::run(
		[ 'chromium', qw(--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync),
			qw(--disable-background-networking --disable-component-update --disable-dev-shm-usage --hide-scrollbars),
			'--host-resolver-rules=MAP * ~NOTFOUND', "--user-data-dir=$profile", '--enable-logging=stderr', @options, "file://$page" ],
		'<', \undef, '>', \$output, '2>', \$log, IPC::Run::timeout(120))
	  or die "chromium failed: $log";
	return ($output, join("\n", grep { /:CONSOLE/ } split(/\n/, $log)));
}

sub write_page
{
	my ($name, $content) = @_;

	append_to_file("$tmp/$name.html", $content);
	return "$tmp/$name.html";
}

sub report
{
	return $node->safe_psql('shop', 'SELECT sellometer_report()');
}

# What a page says, as a browser has it.
sub read_page
{
	my ($name, $content) = @_;
	my ($dom, $console) = chromium(write_page($name, $content), '--dump-dom');
	my $said = '';

	is($console, '', "$name: nothing on the console");
	my $file = write_page("$name.dom", $dom);
	IPC::Run::run([ 'python3', slm_root() . '/test/report/read.py', $file ], '>', \$said) or die "can't read $file";
	return split(/\n/, $said);
}

sub said
{
	my ($what, @lines) = @_;

	return join("\n", map { s/^$what\t//r } grep { /^$what\t/ } @lines);
}

# What sellometer.health warns of, the worst first; without times, which go on.
sub banner
{
	return $node->safe_psql('shop', q{SET timezone = 'UTC'; SELECT concat_ws(E'\t', severity, name, replace(detail, E'\n', ' ')) FROM sellometer.health
		WHERE severity IN ('warning', 'critical') ORDER BY severity, name});
}

# What is watched for would be seen
{
	my (undef, $console) = chromium(write_page('error', '<!DOCTYPE html><script>undefined_function()</script>'), '--dump-dom');
	like($console, qr/undefined_function/, 'an error would be seen on the console');
}

# Nothing loaded
{
	my @lines = read_page('empty', report());

	ok((grep { $_ eq "element\ttitle\t1" } @lines), 'a page without data has no charts');
	is(said('source', @lines), '', 'and no sources');
}

# Names that would like to be more than names.  Three hours of sales; all kinds of events.
my @brands = (
	'<script>document.title="owned"</script>', '"><img src=x onerror=alert(1)>', q{' onmouseover='alert(2)}, '</bdi></table><h1>owned</h1>',
	'&lt;b&gt; & &amp;', "na\xc3\xafve \xe2\x9c\x93 \xe6\xbc\xa2\xe5\xad\x97", "\xe2\x80\xaetfel ot thgir", '{{7*7}} ${7*7} %s %1$s', 'x' x 190,
	'<!-- ', ']]>', 'plain');
my $dir = slm_directory($node, 'in');
my (%count, $gmv);				# of what is in the page: the minute that has only begun is not
for my $minute (0 .. 179)
{
	my @events;
	my $time = sprintf('2019-10-01 %02d:%02d:10 UTC', 20 + $minute / 60, $minute % 60);

	for my $i (0 .. $#brands)
	{
		next if ($minute * 7 + $i) % 5 == 0;
		my ($type, $price) = ((qw(view cart purchase purchase remove_from_cart view view))[($minute + $i) % 7], 1000 - 50 * $i . '.' . (10 + $minute % 90));
		push @events, event(event_time => $time, event_type => $type, product_id => 100 + ($i * 3 + $minute) % 17, brand => $brands[$i], price => $price,
			category_id => $i % 4 ? '' : '2053013555631882655', category_code => $i % 4 ? 'c' . $i % 4 . '.<i>d' . $i % 3 : '', user_session => "s$minute-$i");
		next if $minute == 179;
		$count{$type}++;
		$gmv += sprintf('%.0f', $price * 100) if $type eq 'purchase';
	}
	write_object($dir, substr($time, 0, 16) =~ tr/ :/--/r . '.csv', csv(@events));
}
$node->safe_psql('shop', qq{SELECT sellometer_add_source('<u>web & "shop"</u>', 'file://$dir/')});
wait_until($node, q{SELECT count(*) = 180 FROM sellometer.objects WHERE state = 'done'});
# it learns under which categories products are sold; what else it finds is not of interest
$node->safe_psql('shop', q{CALL sellometer_detect(); DELETE FROM sellometer.alerts});
# a product has a name; others are known by their categories
my $name = q{<img src=x onerror="alert('3')"> & </bdi></li><script>document.title="owned"</script> S10};
$node->safe_psql('shop', "INSERT INTO sellometer.products VALUES (105, \$q\$$name\$q\$, 'https://shop.example/105', NULL), (106, ' ', NULL, NULL)");
$node->safe_psql('shop', q{
	INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, observed, expected, score, detail, opened_at, closed_at) VALUES
		('price_anomaly', 'critical', 'product_id', '105', '2019-10-01 22:10+00', 9.9, 99, 12, 'listed at <9.90>, usually 99.00' || repeat(' and so on', 80), now(), NULL),
		('price_anomaly', 'warning', 'product_id', '<b>7</b>', now(), 9.9, 99, 12, 'odd', now(), NULL),
		('category_shift', 'warning', 'category_l3', '2053013.2053013.2053013', now(), 1, 2, 3, 'moved', now(), NULL),
		('volume_anomaly', 'info', 'event_type', 'cart', now(), 1, 2, 3, 'more than on other days', now(), NULL),
		('low_inventory', 'warning', 'product_id', '8', now(), 1, 2, 3, 'gone tomorrow', now(), NULL),
		('low_inventory', 'warning', 'product_id', '9', now(), 1, 2, 3, 'closed already', now(), now())});

my $page = report();
my @lines = read_page('sales', $page);

# Equal to what the tables say
my $range = q{event_time < date_trunc('minute', (SELECT head FROM sellometer.state))};
is(said('step', @lines), $node->safe_psql('shop', qq{
		SELECT e || E'\t' || sum(count) FROM sellometer.brand_minute, unnest(ARRAY['view', 'cart', 'purchase']) WITH ORDINALITY u (e, i)
		WHERE event_type::text = e AND $range GROUP BY i, e ORDER BY i}),
	'the funnel is what the tables say');
# Of the raw events: no ratio is rounded to a whole number, and money has its currency before it
my $events = $count{view} + $count{cart} + $count{purchase} + $count{remove_from_cart};
my %figure = (gmv => $gmv / 100, purchases => $count{purchase}, price => sprintf('%.2f', $gmv / 100 / $count{purchase}),
	conversion => sprintf('%.2f', 100 * $count{purchase} / $count{view}), rate => sprintf('%.2f', $events / 179));
my %tile = map { split(/\t/) } split(/\n/, said('tile', @lines));
my %shown = map { split(/\t/) } split(/\n/, said('shown', @lines));
is(join(' ', map { "$_=" . ($tile{$_} + 0) } sort keys %figure), join(' ', map { "$_=" . ($figure{$_} + 0) } sort keys %figure), 'so are the figures');
isnt($figure{conversion}, int($figure{conversion}), 'one of which is no whole number');
is($shown{conversion}, $figure{conversion}, 'and is not shown as one');
is($shown{gmv}, '$' . sprintf($gmv < 1e8 ? '%.0fK' : '%.2fM', $gmv / ($gmv < 1e8 ? 1e5 : 1e8)), 'money is shown in dollars');
is($shown{price}, '$' . $figure{price}, 'the average price with its cents');
is(join(' ', grep { !/ UTC$/ } split(/\n/, said('time', @lines))), '', 'no time without its zone');
for my $dimension (qw(product_id brand category_l1 category_l2 category_l3))
{
	my $top = join("\n", map { s/^$dimension\t//r } grep { /^$dimension\t/ } split(/\n/, said('top', @lines)));

	is($top, $node->safe_psql('shop', qq{
			SELECT concat_ws(E'\t', row_number() OVER (ORDER BY sum(gmv) DESC, sum(count) DESC, $dimension), $dimension, sellometer_gmv(gmv), sum(count))
			FROM sellometer.${dimension}_minute WHERE event_type = 'purchase' AND $range GROUP BY $dimension
			ORDER BY sum(gmv) DESC, sum(count) DESC, $dimension LIMIT 10}),
		"the top ten of $dimension");
}
is(said('hour', @lines), $node->safe_psql('shop', q{
		SELECT concat_ws(E'\t', to_char(h AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), sellometer_gmv(gmv) FILTER (WHERE event_type = 'purchase'),
			sum(count) FILTER (WHERE event_type = 'view'), sum(count) FILTER (WHERE event_type = 'cart'),
			sum(count) FILTER (WHERE event_type = 'remove_from_cart'), sum(count) FILTER (WHERE event_type = 'purchase'))
		FROM (SELECT date_trunc('hour', event_time, 'UTC') AS h, * FROM sellometer.category_l2_minute) x GROUP BY h ORDER BY h}),
	'the numbers by hour');
my $long = 'listed at <9.90>, usually 99.00' . ' and so on' x 80;
is(said('alert', @lines),
	"critical\tprice anomaly\t105 ($name)\t$long\nwarning\tcategory shift\t2053013\tmoved\nwarning\tlow inventory\t8\tgone tomorrow\n"
	. "warning\tprice anomaly\t<b>7</b>\todd\ninfo\tvolume anomaly\tcart\tmore than on other days", 'open alerts, and only those, all of their words, with names');
my ($labels, $listed) = (said('label', @lines), 0);
for my $product (100 .. 116)
{
	my $label = $node->safe_psql('shop', qq{SELECT $product || CASE WHEN $product = 105 THEN ' (' || \$q\$$name\$q\$ || ')' ELSE
		(SELECT ' (' || sellometer_key_label('category_l3', category) || ')' FROM sellometer.sold_products WHERE product_id = $product ORDER BY sales DESC, category LIMIT 1) END});

	next unless $labels =~ /^product_id\t\d+\t($product [^\n]*)/m;
	is($1, $label, "product $product is listed by its name");
	$listed++;
}
is($listed, 10, 'all that are listed are');
is(join(' ', grep { /2053013555631882655/ } map { (split(/\t/))[2] } grep { /^category_l3/ } split(/\n/, said('label', @lines))), '2053013555631882655',
	'an id that is a category at all levels stands once');
is(said('source', @lines), "<u>web & \"shop\"</u>\tfine\t", 'sources');
is(said('banner', @lines), banner(), 'what is not well, as sellometer.health says');

# Names are names: no element came out of one
my %elements = map { split(/\t/) } split(/\n/, said('element', @lines));
is(join(' ', grep { $elements{$_} } qw(script img b i u a iframe)), '', 'no element comes from the data');
is($elements{h1}, 1, 'one heading');
is(join(' ', grep { /^(on|href$|src|style$|action$)/ } map { (split(/\t/))[0] } split(/\n/, said('attribute', @lines))), 'style',
	'no attribute points elsewhere or does something');
my ($style) = $page =~ m{<style>(.*)</style>}s;
unlike($style, qr/url\(|\@import/, 'neither do the styles');

# The charts: five, each named and described, with a point for each minute
is($elements{desc}, 5, 'each chart is described');
my ($line) = $page =~ /id="c-gmv-t".*?class="line" d="M([^"]*)"/s;
my @values = map { (split(/,/))[1] } split(/L/, $line);
my @gmv = split(/\n/, $node->safe_psql('shop', qq{SELECT coalesce(gmv, 0)
	FROM generate_series('2019-10-01 20:00+00', '2019-10-01 22:58+00', interval '1 min') t
	LEFT JOIN sellometer_series('brand', 'purchase', NULL, '2019-10-01 20:00+00', '2019-10-01 22:59+00', '1 min') ON event_time = t}));
my ($axis) = $page =~ /class="chart c-gmv">\s*<div class="y" aria-hidden="true"><span>([^<]*)</;
my $scale = ($axis =~ s/[\$,K]//gr) * ($axis =~ /K$/ ? 1000 : 1);
my @drawn = grep { abs($values[$_] - (100 - $gmv[$_] * 100 / $scale)) > 0.01 } 0 .. $#values;
ok(@values > 60 && @drawn == 0, 'the line of GMV is drawn where it belongs, up to the last final minute');
like($page, qr/<svg [^>]*role="img" aria-labelledby="c-gmv-t c-gmv-d">/, 'charts have names for screen readers');

# Colours: text has a contrast of at least 4.5 to 1, in light and in dark
my @low = grep { (split(/\t/))[4] < 4.5 } grep { /^contrast/ } @lines;
is(join("\n", @low), '', 'contrast of text');
is(scalar(grep { /^contrast\tdark/ } @lines), scalar(grep { /^contrast\tlight/ } @lines), 'in dark as in light');

# Laid out: as wide as the window and not wider, on a telephone too, and nothing is cut or has to be pushed aside to be seen; drawn, and differently in
# the dark.  What has room for less than it holds, or ends beyond the window, is cut.
my $look = q{<script>document.querySelectorAll("details").forEach(d => d.open = true);
	document.body.dataset.width = document.documentElement.scrollWidth;
	document.body.dataset.cut = [...document.querySelectorAll("main *")].filter(e => !e.closest("svg, [aria-hidden], thead") && (
		e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).overflowX != "visible"
		|| e.scrollHeight > e.clientHeight + 1 && e.clientHeight > 0 && getComputedStyle(e).overflowY != "visible"
		|| e.getBoundingClientRect().right > innerWidth + 1)).map(e => e.tagName + ":" + e.textContent.slice(0, 30)).join("; ");</script>};
sub laid_out
{
	my ($name, $width, $content) = @_;
	my $bare = $content =~ s/<meta http-equiv[^>]*>//r =~ s{</body>}{$look</body>}r;

	write_page($name, $bare);
	my $frame = write_page("$name-frame", qq{<!DOCTYPE html><iframe style="width: ${width}px; height: 900px; border: 0" src="$name.html"></iframe>
		<script>onload = () => { const b = document.querySelector("iframe").contentDocument.body.dataset; document.body.dataset.width = b.width; document.body.dataset.cut = b.cut; }</script>});
	my ($dom) = chromium($frame, '--dump-dom', '--allow-file-access-from-files');
	my ($fits, $cut) = $dom =~ /<body data-width="(\d+)" data-cut="([^"]*)">/;
	return ($fits, $cut);
}
for my $width (320, 390, 800, 1200)
{
	my ($fits, $cut) = laid_out("measured$width", $width, $page);

	is($fits, $width, "fits a width of $width");
	is($cut, '', "and nothing is cut at $width");
}
{
	my (undef, $cut) = laid_out('cut', 390, $page =~ s{</style>}{.top bdi { overflow: hidden; white-space: nowrap } </style>}r);
	like($cut, qr/BDI:x{10}/, 'a name that is cut would be seen');
}
my %picture;
for my $scheme ('light', 'dark')
{
	chromium("$tmp/sales.html", "--screenshot=$tmp/$scheme.png", '--window-size=1000,1600',
		'--blink-settings=preferredColorScheme=' . ($scheme eq 'dark' ? 0 : 1));
	$picture{$scheme} = slurp_file("$tmp/$scheme.png");
	cmp_ok(length($picture{$scheme}), '>', 40_000, "is drawn, $scheme");
}
isnt($picture{light}, $picture{dark}, 'light and dark differ');

# A source that can't be listed any more, and another currency
my $gone = slm_directory($node, 'g' . 'o' x 120 . 'ne');
my $pid = $node->safe_psql('shop', 'SELECT sellometer.worker_pid()');
$node->safe_psql('shop', qq{SELECT sellometer_add_source('gone', 'file://$gone/'); ALTER DATABASE shop SET sellometer.currency = 'EUR'});
# the worker begins anew, as settings of its database have changed
wait_until($node, "SELECT sellometer.worker_pid() <> $pid");
rmdir($gone) or die;
wait_until($node, q{SELECT last_error IS NOT NULL FROM sellometer.sources WHERE name = 'gone'});
my $error = $node->safe_psql('shop', q{SELECT last_error FROM sellometer.sources WHERE name = 'gone'});
@lines = read_page('gone', my $page_gone = report());
cmp_ok(length($error), '>', 200, 'there is a long error');
is((grep { /^<?gone\t/ } split(/\n/, said('source', @lines)))[0], "gone\terror\t$error", 'a source says why it can\'t be listed, in all words');
is(join("\n", grep { /^critical\tsource gone\t/ } split(/\n/, said('banner', @lines))), "critical\tsource gone\t$error", 'so does the banner on top');
is(said('banner', @lines), banner(), 'with all else that is not well');
like($page_gone, qr/<main><section class="card banner critical" id="banner"/, 'which comes first, and looks it');
is(join(' ', map { (laid_out('gone390', 390, $page_gone))[1] } 1), '', 'and is not cut on a telephone');
%shown = map { split(/\t/) } split(/\n/, said('shown', @lines));
is($shown{price}, "\xe2\x82\xac$figure{price}", 'money is shown in euros');
$node->safe_psql('shop', q{SELECT sellometer_drop_source('gone'); ALTER DATABASE shop RESET sellometer.currency});

# Whatever the session's settings
is($node->safe_psql('shop', q{
		SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'; SET intervalstyle = 'sql_standard'; SET search_path = pg_temp;
		SELECT regexp_replace(public.sellometer_report(), '(Drawn by|data-head="Behind the clock")[^\n]*', '', 'g')}),
	$node->safe_psql('shop', q{SELECT regexp_replace(sellometer_report(), '(Drawn by|data-head="Behind the clock")[^\n]*', '', 'g')}),
	'the same page from other settings');

# By the shop's clock, on the night on which it shows two o'clock twice
write_object($dir, "2019-10-27-0$_-00.csv", csv(event(event_time => "2019-10-27 0$_:30:00", event_type => 'purchase', price => '5.00'))) foreach (0 .. 3);
wait_until($node, q{SELECT count(*) = 4 FROM sellometer.objects WHERE state = 'done' AND key LIKE '2019-10-27%'});
$node->safe_psql('postgres', "ALTER DATABASE shop SET sellometer.timezone = 'Europe/Berlin'");
my $night = report();
like($night, qr{<time datetime="2019-10-27T$_->[0]Z">27 Oct 2019 \Q$_->[1]\E</time></t}, "the hour that begins at $_->[1]") foreach ([ '00:00:00', '02:00 +02:00' ], [ '01:00:00', '02:00 +01:00' ], [ '02:00:00', '03:00 +01:00' ]);
like($night, qr{<title>02:30 \+02:00: .*<title>02:30 \+01:00: }s, 'both stand in the charts');
like($night, qr{>02:30</span><span[^>]*>02:00</span><span[^>]*>02:30</span>}, '... and at their axes');
unlike($night =~ s/ UTC \w+//gr, qr/\bUTC\b/, 'no time is of UTC');
like($night, qr/Times are those of Europe\/Berlin\./, '... which is said');
is($night =~ s/(Drawn by|data-head="Behind the clock")[^\n]*//gr, $node->safe_psql('shop', q{SET timezone = 'Asia/Tokyo'; SELECT regexp_replace(sellometer_report(), '(Drawn by|data-head="Behind the clock")[^\n]*', '', 'g')}),
	'... whatever the zone of the session');
$node->safe_psql('postgres', 'ALTER DATABASE shop RESET sellometer.timezone');

$node->safe_psql('postgres', q{CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'});
my $money = q{SET standard_conforming_strings = off; SET sellometer.currency = 'EUR'; SELECT sellometer.short_money(-2570)};
is($node->safe_psql('ascii', "CREATE EXTENSION sellometer; $money"), "\xE2\x88\x92\xE2\x82\xAC2,570", 'money is shown where the encoding is SQL_ASCII');
is($node->safe_psql('shop', "SET client_encoding = 'UTF8'; $money"), "\xE2\x88\x92\xE2\x82\xAC2,570", '... as in any other database');
$node->stop;
done_testing();
