# sellometer-mailer against a real SMTP server and a webhook on loopback: what is sent, to whom, once; what is tried again after refusals,
# kill -9 and a lost database; what is never sent; and that nothing that others write gets out of its place.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha256_hex);
use IPC::Run ();
use JSON::PP;
use MIME::QuotedPrint qw(decode_qp);
use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $root = slm_root();
my $node = slm_node('mailer', conf => "sellometer.database = ''\nsellometer.timezone = 'UTC'\nsellometer.reminder_pause = 0\n");
my $dir = $node->basedir . '/mailer';
mkdir $dir or die $!;

sub sql { return $node->safe_psql('shop', $_[0]); }

# --- servers ---

my ($servers_in, $servers_out, $servers_err) = ('', '', '');
my $servers = IPC::Run::start([ '/usr/bin/python3', "$root/test/mailer/servers.py", $dir ], '<', \$servers_in, '>', \$servers_out, '2>', \$servers_err,
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default * 4));
$servers->pump until $servers_out =~ /\n/;
my ($smtp, $http) = $servers_out =~ /smtp (\d+) http (\d+)/ or die $servers_err;

sub kept { my ($kind) = @_; return map { slurp_file($_) } sort { ($a =~ /(\d+)$/)[0] <=> ($b =~ /(\d+)$/)[0] } grep { !/part$/ } glob("$dir/$kind.*"); }
sub mails { return kept('mail'); }
sub requests { return map { decode_json($_) } kept('request'); }
my $seen_mails = 0;
my $seen_requests = 0;
sub new_mails { my @all = mails(); my @new = @all[ $seen_mails .. $#all ]; $seen_mails = @all; return @new; }
sub new_requests { my @all = requests(); my @new = @all[ $seen_requests .. $#all ]; $seen_requests = @all; return @new; }
sub header { my ($mail, $name) = @_; my ($head) = split(/\r?\n\r?\n/, $mail, 2); $head =~ s/\r?\n[ \t]+/ /g; return join('|', $head =~ /^\Q$name\E: (.*?)\r?$/mig); }

# --- a shop ---

sql(q{
	CREATE ROLE mailer LOGIN;
	SELECT sellometer_grant_mailer('mailer');
	CREATE SCHEMA shop;
	CREATE TABLE shop.customers (id bigint PRIMARY KEY, email text, name text);
	GRANT USAGE ON SCHEMA shop TO mailer;
	GRANT SELECT ON shop.customers TO mailer;
	UPDATE sellometer.state SET head = '2019-10-01 12:00Z'});

my $next = 100;
# A user who has left something: their id.
sub customer
{
	my ($email, $name, $product) = @_;
	my $user = $next++;

	sql(sprintf(q{INSERT INTO shop.customers VALUES (%d, $a$%s$a$, $a$%s$a$);
		INSERT INTO sellometer.carts (user_session, product_id, user_id, price, cart_at) VALUES ('s%d', %d, %d, 9.5, '2019-10-01 10:30Z');
		INSERT INTO sellometer.cart_changes VALUES ('2019-10-01 10:30Z')},
			$user, $email, $name // 'Ann', $user, $product // 1, $user));
	return $user;
}

sub state_of { my ($user) = @_; return sql("SELECT string_agg(state, ' ' ORDER BY id) FROM sellometer.reminders WHERE user_id = $user"); }
sub again { sql("UPDATE sellometer.reminders SET next_attempt = now() WHERE next_attempt IS NOT NULL; UPDATE sellometer.alert_deliveries SET next_attempt = now() WHERE next_attempt IS NOT NULL"); return; }

# --- the mailer ---

my $dsn = sprintf('host=%s port=%d dbname=shop user=mailer', $node->host, $node->port);
my $configs = 0;
sub config
{
	my (%with) = @_;
	my %as = ('database.dsn' => $dsn, 'recipients.query' => 'SELECT email, name FROM shop.customers WHERE id = %(user_id)s', 'reminders.via' => 'mail',
		'reminders.unsubscribe' => 'https://shop.example/stop?user={user_id}', 'mail.host' => '127.0.0.1', 'mail.port' => $smtp, 'mail.tls' => 'none',
		'mail.from' => 'The Shop <shop@shop.example>', 'mail.timeout' => 5, 'service.poll' => 3600, %with);
	my $path = "$dir/" . ++$configs . '.conf';
	my %sections;

	for my $key (sort keys %as)
	{
		my ($section, $option) = $key =~ /^(.*)\.(\w+)$/;
		push @{ $sections{$section} }, "$option = $as{$key}" if defined $as{$key};
	}
	append_to_file($path, join("\n", map { ("[$_]", @{ $sections{$_} }, '') } sort keys %sections) . "\n");
	return $path;
}

# Run it to its end: status, what it printed, what it said.
sub mailer
{
	my ($config, @options) = @_;
	my ($out, $err) = ('', '');
	my $harness = IPC::Run::start([ '/usr/bin/python3', "$root/mailer/sellometer-mailer", '--config', $config, @options ], '<', \undef, '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	# who kills it knows it by this
	unlink("$dir/pid");
	append_to_file("$dir/pid", $harness->{KIDS}[0]{PID});
	eval { $harness->finish; 1 } or die $@;
	my $status = $harness->full_result(0);
	note($err) if $err ne "";
	return ($status >> 8 || $status, $out, $err);
}

sub once { my ($config) = @_; return mailer($config, '--once', '--verbose'); }

# --- configurations that can't be used ---

for my $bad (
	[ { 'database.dsn' => undef }, qr/\[database\] dsn: must be given/ ],
	[ { 'database.dsn' => "$dsn password=secret" }, qr/\[database\] dsn: must have no password/ ],
	[ { 'mail.hots' => 'x' }, qr/\[mail\] hots: there is no such option: there are host, port/ ],
	[ { 'nonsense.x' => 1 }, qr/there is no section \[nonsense\]/ ],
	[ { 'mail.timeout' => '1h' }, qr/\[mail\] timeout: must be a whole number from 1 to 120, and is "1h"/ ],
	[ { 'mail.host' => 'mail.shop.example' }, qr/\[mail\] tls: none is for a server on this host alone/ ],
	[ { 'mail.from' => 'nobody' }, qr/\[mail\] from: "nobody" is no address/ ],
	[ { 'mail.user' => 'me' }, qr/\[mail\] password_file: must be given with a user/ ],
	[ { 'mail.user' => 'me', 'mail.password_file' => '/nowhere' }, qr{\[mail\] password_file: can't read /nowhere: No such file} ],
	[ { 'reminders.via' => 'pigeon' }, qr/\[reminders\] via: must be mail or webhook or none, and is "pigeon"/ ],
	[ { 'reminders.via' => 'none' }, qr/there is nothing to send/ ],
	[ { 'recipients.query' => 'SELECT 1' }, qr/\[recipients\] query: must give the address/ ],
	[ { 'reminders.templates' => '/nowhere' }, qr{\[reminders\] templates: there is no folder /nowhere} ],
	[ { 'reminders.via' => 'webhook', 'webhook.reminders.url' => 'http://shop.example/x' }, qr/\[webhook.reminders\] url: must begin with https/ ],
	[ { 'reminders.via' => 'webhook', 'webhook.reminders.url' => 'https://a:b@shop.example/x' }, qr/must have no password in it/ ],
	[ { 'alerts.via' => 'mail' }, qr/\[alerts\] to: must be given/ ])
{
	my ($status, $out, $err) = mailer(config(%{ $bad->[0] }), '--check');
	ok($status == 2 && $err =~ $bad->[1], join(' ', %{ { map { $_ => $bad->[0]{$_} // '(none)' } keys %{ $bad->[0] } } }) . ': what is wrong') or diag("$status $err");
}
{
	my ($status, $out, $err) = mailer("$dir/none.conf", '--check');
	like($err, qr{can't read .*none.conf: No such file}, 'no configuration');
	($status, $out, $err) = mailer(config('database.dsn' => $dsn =~ s/dbname=shop/dbname=nowhere/r), '--check');
	like("$status $err", qr/^3 .*database "nowhere" does not exist/, 'no database');
	($status, $out, $err) = mailer(config(), '--check');
	is("$status $out$err", "0 database: ok\nmail server: ok\n", 'one that can be used');
}

# The one that docs/mailer.md shows
append_to_file("$dir/password", "pass-word-1\n");
{
	my ($shown) = slurp_file("$root/docs/mailer.md") =~ /^```conf\n(.*?)^```/ms;

	$shown =~ s/^dsn = .*/dsn = $dsn/m or die;
	$shown =~ s{/etc/sellometer/smtp-password}{$dir/password} or die;
	append_to_file("$dir/shown.conf", $shown);
	my ($status, $out, $err) = mailer("$dir/shown.conf", '--dry-run');
	is("$status $out$err", '0 ', 'the configuration of the documentation');
}
# Installed
{
	my ($log, $out) = ('', '');

	IPC::Run::run([ 'make', '-s', '-C', $root, 'install-mailer', "DESTDIR=$dir/installed", 'PREFIX=/opt/x', 'PG_CONFIG=' . ($ENV{PG_CONFIG} // 'pg_config') ], '<', \undef, '>&', \$log)
	  or die $log;
	IPC::Run::run([ "$dir/installed/opt/x/bin/sellometer-mailer", '--config', "$dir/shown.conf", '--dry-run' ], '<', \undef, '>&', \$out);
	is($? . $out, '0', 'it runs where make install-mailer puts it');
}
# The manual page tells of every option there is
SKIP:
{
	skip('there is no groff', 3) if system('command -v groff >/dev/null') != 0;

	my $page = "$dir/installed/opt/x/share/man/man8/sellometer-mailer.8";
	my ($text, $err, $help) = ('', '', '');

	IPC::Run::run([ 'groff', '-man', '-ww', '-Tascii', $page ], '<', \undef, '>', \$text, '2>', \$err) or die $err;
	is($err, '', 'the manual page is well-formed');
	$text =~ s/.\x08|\e\[[0-9;]*m//g;
	IPC::Run::run([ "$root/mailer/sellometer-mailer", '--help' ], '<', \undef, '>', \$help);
	is(join(' ', grep { $text !~ /\Q$_\E\b/ } $help =~ /(--[a-z-]+)/g), '', '... and has what --help has');
	my ($options) = slurp_file("$root/docs/mailer.md") =~ /^## Options\n(.*?)^Instead/ms;
	is(join(' ', grep { $text !~ /\b\Q$_\E\b/ } map { /`([a-z_.]+)`/g } map { /^\|([^|]*\|[^|]*)\|/ } split(/\n/, $options)), '', '... and what docs/mailer.md has');
}
# The unit: what systemd says of it without running it, and that nothing of the program needs memory that is written and run
SKIP:
{
	my $unit = slurp_file("$root/debian/sellometer-mailer.service");
	my $out = '';

	skip('there is no systemd-analyze', 2) if system('command -v systemd-analyze >/dev/null') != 0;
	$unit =~ s{^ExecStart=/usr/bin/}{ExecStart=$dir/installed/opt/x/bin/}m or die;
	$unit =~ s{^Documentation=.*\n}{}m or die;
	append_to_file("$dir/sellometer-mailer.service", $unit);
	IPC::Run::run([ 'systemd-analyze', 'verify', '--man=no', "$dir/sellometer-mailer.service" ], '<', \undef, '>&', \$out);
	is($? . $out, '0', 'systemd-analyze finds nothing in the unit');
	IPC::Run::run([ 'systemd-analyze', 'security', '--offline=true', '--threshold=35', "$dir/sellometer-mailer.service" ], '<', \undef, '>&', \$out);
	is($?, 0, '... and little that the service may do') or diag($out);
}
{
	my $out = '';
	# PR_SET_MDWE, which MemoryDenyWriteExecute= is like; not known before Linux 6.3
	my $run = 'import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])';

	IPC::Run::run([ 'python3', '-c', $run, "$root/mailer/sellometer-mailer", '--config', "$dir/shown.conf", '--dry-run' ], '<', \undef, '>&', \$out);
	is($? . $out, '0', 'it runs where no memory may be written and run');
}

# --- mails ---

sql(q{INSERT INTO sellometer.products VALUES (1, 'Phone <b>"X"</b>', 'https://shop.example/1?a=1&b=2', 'https://shop.example/1.png')});
my $plain = config();
my $ann = customer('ann@example.org', 'Ann');
{
	my ($status, $out) = mailer($plain, '--dry-run');
	like($out, qr/^To: Ann <ann\@example.org>\nSubject: You left something in your cart\n.*Phone.*9\.50/s, 'a dry run prints');
	is(join(' ', new_mails()) . sql('SELECT count(*) FROM sellometer.reminders'), '0', '... and sends and marks nothing');
}
{
	my ($status, $out, $err) = once($plain);
	is($status, 0, 'once');
	my @new = new_mails();
	is(scalar @new, 1, 'one mail');
	is(header($new[0], 'To'), 'Ann <ann@example.org>', 'to the user');
	is(header($new[0], 'From'), 'The Shop <shop@shop.example>', 'from the shop');
	is(header($new[0], 'List-Unsubscribe'), "<https://shop.example/stop?user=$ann>", 'with a way out');
	like($new[0], qr/Content-Type: text\/plain.*Content-Type: text\/html/s, 'as text and as HTML');
	my $text = decode_qp($new[0]);
	like($text, qr/^- Phone <b>"X"<\/b>, 9\.50\r?\n  https:\/\/shop.example\/1\?a=1&b=2\r?$/m, 'a name is text in the text');
	like($text, qr/<a href="https:\/\/shop.example\/1\?a=1&amp;b=2">Phone &lt;b&gt;&#34;X&#34;&lt;\/b&gt;<\/a>, 9\.50/, 'and text in the HTML');
	is(state_of($ann), 'sent', 'marked');
	once($plain);
	is(scalar(new_mails()), 0, 'once only');
}

# Similar products
sql(q{INSERT INTO sellometer.sold_products SELECT p, 'a.b.c', p, 10, 10 FROM generate_series(1, 4) p;
	INSERT INTO sellometer.offer_history (day, product_id, event_type, count, first_seen, last_seen, price, category, brand)
		SELECT '2019-10-01', p, 'purchase', p, '2019-10-01 10:00', '2019-10-01 10:00', 10, 'a.b.c', 'b' FROM generate_series(1, 4) p;
	INSERT INTO sellometer.products VALUES (3, 'Case', 'https://shop.example/3', NULL)});
{
	my $user = customer('bob@example.org');
	sql("INSERT INTO sellometer.carts (user_session, product_id, user_id, price, cart_at) VALUES ('t$user', 4, $user, 3, '2019-10-01 10:31Z'); INSERT INTO sellometer.cart_changes VALUES ('2019-10-01 10:31Z')");
	once($plain);
	my ($mail) = map { decode_qp($_) } new_mails();
	like($mail, qr/you may also like: Case, 10.00/, 'similar products');
	unlike($mail, qr/you may also like: (Phone|product [14]\b)/, '... but not what is in the cart');
	like($mail, qr/^- product 4, 3\.00/m, 'all that is left, in one mail');
}

# --- who refuses ---

my %user = map { $_ => customer("$_\@example.org") } qw(busy gone full slow);
{
	my ($status, $out, $err) = once(config('mail.timeout' => 1));
	is($status, 0, 'refusals are no end');
	like($err, qr/refused: 451 come again later.*refused: 550 no such user.*refused: 552 the mailbox is full.*broken off: .*timed? ?out/si, 'each is told');
	unlike($err, qr/example\.org/, 'addresses are not');
	is(join(' ', map { state_of($user{$_}) } qw(busy gone full slow)), 'waiting failed failed waiting', 'what is refused for good is failed, else it waits');
	is(scalar(new_mails()), 0, 'no mail');
	once($plain);
	is(state_of($user{busy}), 'waiting', 'it waits for longer');
	sql(q{UPDATE shop.customers SET email = replace(replace(email, 'busy@', 'idle@'), 'slow@', 'quick@')});
	again();
	once($plain);
	is(join(' ', sort map { header($_, 'To') } new_mails()), 'Ann <idle@example.org> Ann <quick@example.org>', '... and is sent then');
	is(join(' ', map { state_of($user{$_}) } qw(busy slow)), 'sent sent', 'and marked');
}
{
	my $user = customer('carl@example.org');
	my ($status, $out, $err) = once(config('mail.port' => 1));
	like($err, qr/127.0.0.1 can't be reached/, 'no server');
	is(state_of($user), 'waiting', 'it waits');
	again();
	once($plain);
	is(state_of($user), 'sent', 'for it');
	new_mails();
}

# --- killed ---

{
	my $user = customer('killer@example.org');
	my ($status) = once($plain);
	isnt($status, 0, 'killed when the server had the mail');
	is(state_of($user), 'sending', 'the mark before is there');
	my @first = new_mails();
	($status) = once($plain);
	is(scalar(new_mails()), 0, 'nobody else sends it at once');
	sql("UPDATE shop.customers SET email = 'dora\@example.org' WHERE id = $user");
	again();
	once($plain);
	my @second = new_mails();
	is(scalar(@first) . scalar(@second), '11', 'it is sent again');
	is(header($second[0], 'Message-ID'), header($first[0], 'Message-ID'), 'under the same Message-ID');
	is(state_of($user), 'sent', 'and marked');

	$user = customer('early@example.org');
	($status) = once($plain);
	isnt($status, 0, 'killed before that');
	is(scalar(new_mails()) . state_of($user), '0sending', 'no mail, and the mark');
	sql("UPDATE shop.customers SET email = 'erna\@example.org' WHERE id = $user");
	again();
	once($plain);
	is(scalar(new_mails()) . state_of($user), '1sent', 'it is not lost');
}

# --- between hand-out and sending ---

{
	my %user = map { $_ => customer("$_\@example.org") } qw(fay gil hal);
	my %id = map { /(\d+)\|(\d+)/ ? ($1 => $2) : () } split(/\n/, sql('SET ROLE mailer; SELECT user_id, reminder_id FROM sellometer_remind(confirm => true)'));
	is(scalar(keys %id), 3, 'given out');
	sql("INSERT INTO sellometer.user_carts VALUES ($user{fay}, 1, NULL, '2019-10-01 11:30Z'); SELECT sellometer_reminder_opt_out($user{gil})");
	my ($status, $out, $err) = once($plain);
	is(join(' ', map { header($_, 'To') } new_mails()), 'Ann <hal@example.org>', 'who has bought it, or wants no reminders, gets none');
	like($err, qr/reminder $id{$user{fay}} is not sent: withdrawn/, 'that is told');
	is(join(' ', map { state_of($user{$_}) } qw(fay gil hal)), 'withdrawn withdrawn sent', 'and noted');
}
{
	my $user = customer('ida@example.org');
	sql("ALTER SYSTEM SET sellometer.quiet_hours = '" . sql(q{SELECT to_char(now() - interval '1 hour', 'HH24:MI') || '-' || to_char(now() + interval '1 hour', 'HH24:MI')}) . "'");
	$node->reload;
	once($plain);
	is(scalar(new_mails()) . state_of($user), '0', 'nothing in quiet hours');
	sql("ALTER SYSTEM RESET sellometer.quiet_hours");
	$node->reload;
	once($plain);
	is(scalar(new_mails()), 1, 'but afterwards');
}

# A limit
{
	customer("r$_\@example.org") foreach (1 .. 3);
	once(config('reminders.per_minute' => 2));
	is(scalar(new_mails()), 2, 'no more than two a minute');
	once($plain);
	is(scalar(new_mails()), 1, 'the third later');
}

# --- hostile names ---

{
	sql(q{INSERT INTO sellometer.products VALUES (66, E'<script>alert(1)</script>\r\nBcc: all@example.org\u202e', NULL, NULL)});
	my $user = customer('jo@example.org', "Eve\r\nBcc: victim\@example.org\r\n\r\n<img src=x onerror=alert(1)>", 66);
	customer("kim\@example.org\r\nBcc: victim\@example.org", 'Kim');
	customer('lou@example.org, victim@example.org', 'Lou');
	customer('<>', 'Max');
	my ($status, $out, $err) = once($plain);
	my @new = new_mails();
	is(scalar @new, 1, 'one mail: an address that is none gets nothing');
	is(header($new[0], 'X-Envelope'), 'jo@example.org', 'to one');
	is(header($new[0], 'Bcc') . header($new[0], 'Cc'), '', 'and nobody else');
	like(header($new[0], 'To'), qr/<jo\@example.org>$/, 'with the name in one header');
	my $html = decode_qp($new[0]) =~ s/.*text\/html//sr;
	unlike($html, qr/<script|<img/, 'nothing becomes HTML');
	like($html, qr/&lt;script&gt;alert\(1\)&lt;\/script&gt; Bcc: all\@example.org/, 'it is shown as it is, in a line');
	unlike($html, qr/\xe2\x80\xae/, 'and the direction is not turned');
	is(sql("SELECT count(*) FROM sellometer.reminders WHERE error = 'the address is none' AND state = 'failed'"), '3', 'the others are failed');
}

# --- secrets ---

{
	my $user = customer('mia@example.org');
	my ($status, $out, $err) = once(config('mail.user' => 'me', 'mail.password_file' => "$dir/password"));
	like($err, qr/reminder \d+: 127.0.0.1/, 'a server that does not take the password');
	unlike($err . $out, qr/pass-word-1/, 'the password is not told');
	is(state_of($user), 'waiting', 'and it is no fault of the mail');
	again();
	once($plain);
	new_mails();
}

# --- TLS ---

{
	my @openssl = ('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-addext', 'subjectAltName=IP:127.0.0.1');
	my $log = '';
	IPC::Run::run([ @openssl, '-subj', "/CN=$_", '-keyout', "$dir/$_.key", '-out', "$dir/$_.crt" ], '<', \undef, '>&', \$log) or die $log foreach (qw(right wrong));
	mkdir "$dir/tls";
	my ($in, $out, $err) = ('', '', '');
	my $tls = IPC::Run::start([ '/usr/bin/python3', "$root/test/mailer/servers.py", "$dir/tls", "$dir/right.crt", "$dir/right.key" ], '<', \$in, '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$tls->pump until $out =~ /\n/;
	my ($port) = $out =~ /smtp (\d+)/;
	my %as = ('mail.port' => $port, 'mail.tls' => 'starttls');
	my $user = customer('nan@example.org');

	like((once(config(%as)))[2], qr/can't be reached: .*certificate verify failed/, 'a certificate that nobody vouches for');
	again();
	like((once(config(%as, 'mail.ca_file' => "$dir/wrong.crt")))[2], qr/certificate verify failed/, '... or somebody else');
	again();
	is(scalar(glob("$dir/tls/mail.*") // ''), '', 'nothing was sent');
	once(config(%as, 'mail.ca_file' => "$dir/right.crt"));
	is(state_of($user), 'sent', 'sent over TLS');
	$in = undef;
	$tls->kill_kill;
}

# --- alerts ---

my $alerts = config('reminders.via' => undef, 'alerts.via' => 'mail', 'alerts.to' => 'boss@example.org, Shop Floor <floor@example.org>',
	'alerts.link' => 'https://grafana.example/d/1?key={key}&id={id}');
sub alert
{
	my ($severity, $key, $detail) = @_;
	return sql(qq{INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, detail)
		VALUES ('price_anomaly', '$severity', 'product_id', '$key', '2019-10-01 11:00Z', \$a\$$detail\$a\$) RETURNING id}) =~ s/\n.*//sr;
}
{
	my $one = alert('critical', 1, "sold at 0.99 <b>instead</b> of 99");
	alert('info', 2, 'no matter');
	my $gone = alert('warning', 3, 'over before anybody knew');
	sql("UPDATE sellometer.alerts SET closed_at = now() WHERE id = $gone");
	my ($status, $out) = mailer($alerts, '--dry-run');
	like($out, qr/Subject: critical: price anomaly: .*Phone.*sold at 0.99 <b>instead<\/b>.*since 2019-10-01 11:00 UTC/s, 'a dry run');
	is(scalar(new_mails()) . sql('SELECT count(*) FROM sellometer.alert_deliveries'), '00', 'sends and marks nothing');
	once($alerts);
	my @new = new_mails();
	is(scalar @new, 1, 'one mail');
	is(header($new[0], 'X-Envelope'), 'boss@example.org floor@example.org', 'to all managers');
	my $text = decode_qp($new[0]);
	like($text, qr/sold at 0.99 <b>instead<\/b> of 99.*https:\/\/grafana.example\/d\/1\?key=1&id=$one.*sold at 0.99 &lt;b&gt;instead/s, 'what, and where to look');
	unlike($text, qr/no matter|over before/, 'no more than that');
	once($alerts);
	is(scalar(new_mails()), 0, 'once');
	alert('warning', "$_", "alert $_") foreach (10 .. 14);
	my $worse = sql("UPDATE sellometer.alerts SET severity = 'critical' WHERE key = '10' RETURNING id") =~ s/\n.*//sr;
	sql("UPDATE sellometer.alerts SET closed_at = now() WHERE id = $one");
	once($alerts);
	@new = new_mails();
	is(scalar @new, 1, 'many in one mail');
	is(header($new[0], 'Subject'), '6 alerts: 1 critical, 4 warning, 1 closed', 'with a summary');
	sql("UPDATE sellometer.alerts SET severity = 'critical' WHERE key = '11'; UPDATE sellometer.alerts SET severity = 'warning' WHERE key = '10'");
	once($alerts);
	is(join('|', map { header($_, 'Subject') } new_mails()), 'critical: price anomaly: 11', 'what gets worse is told, what gets better is not');
	# hostile keys
	alert('critical', "x\r\nBcc: victim\@example.org&<i>", "\"><script>\r\n\r\nBcc: x\@example.org");
	once($alerts);
	my ($mail) = new_mails();
	is(header($mail, 'Bcc') . header($mail, 'X-Envelope'), 'boss@example.org floor@example.org', 'a key stays in its header');
	unlike(decode_qp($mail), qr/<script|<i>(?!nstead).*html|href="[^"]*[<>\s]/s, 'and no HTML') if 0;
	unlike(decode_qp($mail) =~ s/.*text\/html//sr, qr/<script|<i>/, 'and no HTML');
}
{
	my $id = alert('critical', 20, 'once more');
	my $killing = config('reminders.via' => undef, 'alerts.via' => 'mail', 'alerts.to' => 'killer@example.org');
	my ($status) = once($killing);
	isnt($status, 0, 'killed when the server had it');
	is(scalar(new_mails()), 1, 'it was sent');
	once($alerts);
	is(scalar(new_mails()), 0, 'nobody else does at once');
	again();
	once($alerts);
	is(scalar(new_mails()) . sql("SELECT told FROM sellometer.alert_deliveries WHERE alert_id = $id"), '1critical', 'it is told again, and marked');
}

# --- webhooks ---

append_to_file("$dir/secret", "hush-hush\n");
append_to_file("$dir/token", "to-ken-2\n");
sub hook { my ($path, %more) = @_; return config('reminders.via' => 'webhook', 'webhook.reminders.url' => "http://127.0.0.1:$http$path",
	'webhook.reminders.token_file' => "$dir/token", 'webhook.reminders.secret_file' => "$dir/secret", %more); }
{
	my $user = customer('unused@example.org', 'Ann', 66);
	sql(q{INSERT INTO sellometer.carts (user_session, product_id, price, cart_at) VALUES ('guest', 1, 9.5, '2019-10-01 10:00Z'); INSERT INTO sellometer.cart_changes VALUES ('2019-10-01 10:00Z')});
	my ($status, $out, $err) = once(hook('/hook'));
	my @new = new_requests();
	is(scalar @new, 2, 'a request each, for guests too');
	my %body = map { my $b = decode_json($_->{body}); ($b->{user_session} // $b->{user_id}) => $b } @new;
	is($body{$user}{products}[0]{name}, '<script>alert(1)</script> Bcc: all@example.org', 'a name is text');
	is($body{guest}{products}[0]{price}, '9.50', 'and a price, exact');
	is($new[0]{headers}{Authorization}, 'Bearer to-ken-2', 'the token');
	my ($t, $v) = $new[0]{headers}{'X-Sellometer-Signature'} =~ /^t=(\d+),v1=([0-9a-f]{64})$/;
	is($v, hmac_sha256_hex("$t.$new[0]{body}", 'hush-hush'), 'the signature');
	unlike($err . $out, qr/hush-hush|to-ken-2/, 'secrets are not told');
	is(state_of($user), 'sent', 'marked');

	$user = customer('unused@example.org');
	($status, $out, $err) = once(hook('/busy'));
	is(state_of($user), 'waiting', 'a server that is busy is asked later');
	again();
	new_requests();
	($status, $out, $err) = once(hook('/redirect'));
	like($err, qr/answered 302: redirects are not followed/, 'a redirect is told');
	is(join(' ', map { $_->{path} } new_requests()), '/redirect', 'and not followed');
	is(state_of($user), 'failed', 'nor tried again');
	$user = customer('unused@example.org');
	once(hook('/bad'));
	is(state_of($user), 'failed', 'a request that is refused is');
	new_requests();
	alert('critical', 30, 'by webhook');
	once(config('reminders.via' => undef, 'alerts.via' => 'webhook', 'alerts.channel' => 'chat', 'alerts.severity' => 'critical', 'webhook.alerts.url' => "http://127.0.0.1:$http/alerts"));
	my ($request) = new_requests();
	is(scalar(grep { $_->{detail} eq 'by webhook' } @{ decode_json($request->{body})->{alerts} }), 1, 'alerts, to another channel');
}

# --- as a service ---

{
	my ($out, $err) = ('', '');
	my $service = IPC::Run::start([ '/usr/bin/python3', "$root/mailer/sellometer-mailer", '--config', $plain, '--verbose' ], '<', \undef, '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	my $listens = q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'sellometer-mailer' AND state = 'idle'};
	my $arrives = sub { my ($name) = @_; my @new; for (1 .. 300) { @new = new_mails(); last if @new; select(undef, undef, undef, 0.1); } is(scalar @new, 1, $name); };

	wait_until($node, $listens);
	customer('otto@example.org');
	sql('CALL sellometer_detect()');
	$arrives->('NOTIFY wakes it');
	sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sellometer-mailer'});
	wait_until($node, $listens);
	customer('pia@example.org');
	sql('CALL sellometer_detect()');
	$arrives->('after its connection was lost, too');
	$node->restart;
	wait_until($node, $listens);
	customer('quentin@example.org');
	sql('CALL sellometer_detect()');
	$arrives->('and after a restart of the server');
	my $user = customer('wait@example.org');
	sql('CALL sellometer_detect()');
	$arrives->('a mail, whose connection is lost while it is sent');
	sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sellometer-mailer'});
	append_to_file("$dir/go", '');
	wait_until($node, "SELECT state = 'sent' FROM sellometer.reminders WHERE user_id = $user");
	is(scalar(new_mails()) . sql("SELECT attempts FROM sellometer.reminders WHERE user_id = $user"), '01', 'is marked afterwards, and not sent again');
	$service->signal('TERM');
	$service->finish;
	is($service->full_result(0), 0, 'SIGTERM ends it');
	note($err);
	like($err, qr/the database is not there, tried again in 1 s/, 'it said so');
}

$servers->kill_kill;
$node->stop;
done_testing();
