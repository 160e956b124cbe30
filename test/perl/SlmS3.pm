
=pod

=head1 NAME

SlmS3 - S3 servers for tests: a real one (OpenStack Swift), and a stand-in that misbehaves on demand

=head1 SYNOPSIS

  my $s3 = SlmS3->swift(max_listing => 100);     # test/s3/swift
  $s3 = SlmS3->real(max_listing => 100);         # the same, or what SLM_S3_PEER says: test/s3/peer, script/s3-peers
  $s3->client('mkbucket', 'bucket');             # test/s3/client, an independent client
  my $fake = SlmS3->fake;                        # test/s3/fake.py
  my $sts = SlmS3->sts;                          # test/s3/sts.py, gives out credentials of roles
  my $proxy = SlmS3->proxy($s3, '--seed', 7);    # test/s3/proxy.py, between the client and $s3
  $proxy->faults({ fault => 'half', on => 'get' });
  $fake->control(expires_in => 10);
  $s3->create_server($node, 'postgres', 'name'); # CREATE SERVER and USER MAPPING FOR CURRENT_USER

A missing package is a failure of the test, not a reason to skip it.  Servers stop with the test.

=cut

package SlmS3;

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use Cwd qw(abs_path);
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP qw(encode_json decode_json);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $scripts = abs_path(dirname(__FILE__) . '/../s3');
my @running;

# A real server: Swift, or the one that script/s3-peers names.  page: keys in one page of its lists; min_part: the
# least size of a part that it takes, or less than that of any archive; cannot: keys that it can't keep; lacks: what else it
# doesn't know.
sub real
{
	my ($class, %args) = @_;

	return $class->swift(%args) unless $ENV{SLM_S3_PEER};
	return $class->start_real('peer', [ '--program', $ENV{SLM_S3_PEER} ], %args);
}

sub swift
{
	my ($class, %args) = @_;

	return $class->start_real('swift', [], %args);
}

sub start_real
{
	my ($class, $script, $options, %args) = @_;
	my $self = bless { dir => PostgreSQL::Test::Utils::tempdir_short() . '/s3', script => $script }, $class;
	my @more = $args{max_listing} ? ('--max-listing', $args{max_listing}) : ();
	my ($out, $err);
	my %env;

	# Root becomes nobody there, who must be able to reach the directory.
	chmod 0755, dirname($self->{dir});
	IPC::Run::run([ "$scripts/$script", 'start', $self->{dir}, @$options, @more ], '>', \$out, '2>', \$err)
	  or die "could not start an S3 server (Swift needs swift-proxy swift-account swift-container swift-object python3-swift): $err";
	push @running, $self;
	$env{$1} = $2 while $out =~ /^S3_(\w+)=(.*)$/mg;
	@$self{qw(endpoint access_key secret_key)} = @env{qw(ENDPOINT ACCESS_KEY SECRET_KEY)};
	$self->{min_part} = $env{MIN_PART} // '16kB';
	$self->{page} = $env{MAX_LISTING} // $args{max_listing} // 1000;
	$self->{cannot} = qr/$env{CANNOT}/ if $env{CANNOT};
	$self->{lacks} = $env{LACKS} // '';
	$self->{env_file} = "$self->{dir}/env";
	return $self;
}

# Those of some keys that the server can keep.
sub keeps
{
	my ($self, @keys) = @_;

	return grep { !$self->{cannot} || $_ !~ $self->{cannot} } @keys;
}

# The independent client's output.
sub client
{
	my ($self, @args) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ "$scripts/client", $self->{env_file}, @args ], '>', \$out, '2>', \$err)
	  or die "client @args failed: $err";
	return $out;
}

# A script that serves until it is stopped, and writes its port to a file of its directory.
sub serve
{
	my ($class, $script, $self, @args) = @_;

	$self = bless { dir => PostgreSQL::Test::Utils::tempdir(), %$self }, $class;
	$self->{harness} = IPC::Run::start([ "$scripts/$script", $self->{dir}, @args ], '<', \undef, '>', "$self->{dir}/out",
		'2>', "$self->{dir}/err");
	push @running, $self;
	for (1 .. 500)
	{
		last if -s "$self->{dir}/port";
		$self->{harness}->pumpable or last;
		usleep(20_000);
	}
	-s "$self->{dir}/port" or die "$script did not start: " . slurp_file("$self->{dir}/err");
	($self->{port}) = slurp_file("$self->{dir}/port") =~ /(\d+)/;
	$self->{scheme} = grep({ $_ eq '--tls' } @args) ? 'https' : 'http';
	$self->{endpoint} = "$self->{scheme}://127.0.0.1:$self->{port}";
	return $self;
}

sub fake
{
	my ($class, @args) = @_;

	return $class->serve('fake.py', { access_key => 'AKIATEST', secret_key => 'verysecret' }, @args);
}

sub sts { return $_[0]->serve('sts.py', {}); }

sub proxy
{
	my ($class, $s3, @args) = @_;
	my ($port) = $s3->{endpoint} =~ /:(\d+)$/;
	my $self = $class->serve('proxy.py', { access_key => $s3->{access_key}, secret_key => $s3->{secret_key} }, $port, @args);

	note('proxy: ' . slurp_file("$self->{dir}/out"));
	($self->{control_port}) = slurp_file("$self->{dir}/control") =~ /(\d+)/;
	return $self;
}

# What the proxy does from now on: see there.  None: it lets everything pass.
sub faults
{
	my ($self, @faults) = @_;
	my $answer = HTTP::Tiny->new->put("http://127.0.0.1:$self->{control_port}/faults",
		{ content => encode_json(\@faults) });

	die "the proxy refuses: $answer->{content}" unless $answer->{success};
	return;
}

# How often it did what, and "requests".
sub counts
{
	my ($self) = @_;

	return %{ decode_json(HTTP::Tiny->new->get("http://127.0.0.1:$self->{control_port}/counts")->{content}) };
}

# Set values in the stand-in, or ask for one.
sub control
{
	my ($self, @args) = @_;

	if (@args == 1)
	{
		my $answer = HTTP::Tiny->new->get("$self->{endpoint}/control/$args[0]");
		return $answer->{content};
	}
	while (my ($name, $value) = splice @args, 0, 2)
	{
		my $answer = HTTP::Tiny->new->put("$self->{endpoint}/control/$name", { content => $value });
		die "control $name failed" unless $answer->{success};
	}
	return;
}

# Put an object into the stand-in, at a path that is percent-encoded already.
sub put
{
	my ($self, $path, $content) = @_;
	my $answer = HTTP::Tiny->new->put("$self->{endpoint}/$path", { content => $content });

	die "put $path failed: $answer->{status}" unless $answer->{success};
	return;
}

# The stand-in's requests so far whose path matches: [ time, method, path, status ] each.
sub requests
{
	my ($self, $pattern) = @_;

	return map { [ split / /, $_ ] } grep { (split / /)[2] =~ $pattern } split /\n/, slurp_file("$self->{dir}/log");
}

# Its requests that wrote something or said who pays, whose method and path match: [ method, path, headers ] each.
sub headers
{
	my ($self, $pattern) = @_;

	return grep { "$_->[0] $_->[1]" =~ $pattern } map { decode_json($_) } split(/\n/, slurp_file("$self->{dir}/headers"));
}

# What the stand-in for STS was asked so far.
sub asked
{
	my ($self) = @_;

	return -s "$self->{dir}/log" ? map { decode_json($_) } split(/\n/, slurp_file("$self->{dir}/log")) : ();
}

# options: of the server; the user mapping's are mapping_...
sub create_server
{
	my ($self, $node, $db, $name, %options) = @_;
	my %mapping = (access_key_id => $self->{access_key}, secret_access_key => $self->{secret_key});

	for my $option (grep { /^mapping_/ } keys %options)
	{
		$mapping{ $option =~ s/^mapping_//r } = delete $options{$option};
	}
	my $list = sub { my %o = @_; join ', ', map { "$_ '$o{$_}'" } sort keys %o };
	$node->safe_psql($db,
		    "CREATE SERVER $name FOREIGN DATA WRAPPER sellometer_s3 OPTIONS ("
		  . $list->(endpoint => $self->{endpoint}, %options) . ");"
		  . "CREATE USER MAPPING FOR CURRENT_USER SERVER $name OPTIONS (" . $list->(%mapping) . ");");
	return;
}

sub stop
{
	my ($self) = @_;

	@running = grep { $_ != $self } @running;
	if ($self->{harness})
	{
		$self->{harness}->kill_kill(grace => 2);
	}
	else
	{
		system("$scripts/$self->{script}", 'stop', $self->{dir}, '--remove');
	}
	return;
}

END
{
	# Keep the test's own exit status.
	local $?;
	# a copy, as each takes itself out
	$_->stop foreach (my @all = @running);
}

1;
