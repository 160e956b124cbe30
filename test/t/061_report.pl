# sellometer_report() in a browser: it renders, says what the tables say, and stays a page whatever the names in the data.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('report');
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
for my $minute (0 .. 179)
{
	my @events;
	my $time = sprintf('2019-10-01 %02d:%02d:10 UTC', 20 + $minute / 60, $minute % 60);

	for my $i (0 .. $#brands)
	{
		next if ($minute * 7 + $i) % 5 == 0;
		push @events, event(event_time => $time, event_type => (qw(view cart purchase purchase remove_from_cart view view))[($minute + $i) % 7],
			product_id => 100 + ($i * 3 + $minute) % 17, brand => $brands[$i], price => 1000 - 50 * $i . '.' . (10 + $minute % 90),
			category_code => 'c' . $i % 4 . '.<i>d' . $i % 3, user_session => "s$minute-$i");
	}
	write_object($dir, substr($time, 0, 16) =~ tr/ :/--/r . '.csv', csv(@events));
}
$node->safe_psql('shop', qq{SELECT sellometer_add_source('<u>web & "shop"</u>', 'file://$dir/')});
wait_until($node, q{SELECT count(*) = 180 FROM sellometer.objects WHERE state = 'done'});
$node->safe_psql('shop', q{
	INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, observed, expected, score, detail, opened_at, closed_at) VALUES
		('price_anomaly', 'critical', 'product_id', '<b>7</b>', now(), 9.9, 99, 12, 'listed at <9.90>, usually 99.00', now(), NULL),
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
my $figures = $node->safe_psql('shop', qq{
	SELECT concat_ws(E'\t', 'gmv', sellometer_gmv(gmv)) || E'\n' || concat_ws(E'\t', 'purchases', sum(count))
		|| E'\n' || concat_ws(E'\t', 'price', round(sum(gmv) / sum(count), 2))
	FROM sellometer.brand_minute WHERE event_type = 'purchase' AND $range});
like(said('tile', @lines), qr/^\Q$figures\E\n/, 'so are the figures');
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
is(said('alert', @lines),
	"critical\tprice anomaly\t<b>7</b>\tlisted at <9.90>, usually 99.00\nwarning\tlow inventory\t8\tgone tomorrow\n"
	. "info\tvolume anomaly\tcart\tmore than on other days", 'open alerts, and only those');
is(said('source', @lines), '<u>web & "shop"</u>', 'sources');

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
my $scale = $axis =~ /^([\d.,]+) k$/ ? 1000 * $1 : $axis =~ s/,//gr;
my @drawn = grep { abs($values[$_] - (100 - $gmv[$_] * 100 / $scale)) > 0.01 } 0 .. $#values;
ok(@values > 60 && @drawn == 0, 'the line of GMV is drawn where it belongs, up to the last final minute');
like($page, qr/<svg [^>]*role="img" aria-labelledby="c-gmv-t c-gmv-d">/, 'charts have names for screen readers');

# Colours: text has a contrast of at least 4.5 to 1, in light and in dark
my @low = grep { (split(/\t/))[4] < 4.5 } grep { /^contrast/ } @lines;
is(join("\n", @low), '', 'contrast of text');
is(scalar(grep { /^contrast\tdark/ } @lines), scalar(grep { /^contrast\tlight/ } @lines), 'in dark as in light');

# Laid out: as wide as the window and not wider, on a telephone too; drawn, and differently in the dark
my $measured = $page =~ s/<meta http-equiv[^>]*>//r
  =~ s{</body>}{<script>document.body.dataset.width = document.documentElement.scrollWidth</script></body>}r;
write_page('measured', $measured);
for my $width (320, 390, 800, 1200)
{
	my $frame = write_page("frame$width", qq{<!DOCTYPE html><iframe style="width: ${width}px; height: 900px; border: 0" src="measured.html"></iframe>
		<script>onload = () => document.body.dataset.width = document.querySelector("iframe").contentDocument.body.dataset.width</script>});
	my ($dom, $console) = chromium($frame, '--dump-dom', '--allow-file-access-from-files');

	like($dom, qr/<body data-width="$width">/, "fits a width of $width");
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

# Whatever the session's settings
is($node->safe_psql('shop', q{
		SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'; SET intervalstyle = 'sql_standard'; SET search_path = pg_temp;
		SELECT regexp_replace(public.sellometer_report(), '(Drawn by|Behind the clock).*', '')}),
	$node->safe_psql('shop', q{SELECT regexp_replace(sellometer_report(), '(Drawn by|Behind the clock).*', '')}),
	'the same page from other settings');

$node->stop;
done_testing();
