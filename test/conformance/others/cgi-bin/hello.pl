#!/usr/bin/perl -T
# Perl with CGI.pm, tainted.
use strict;
use warnings;
use CGI;

my $form = CGI->new;
print $form->header(-type => 'text/plain', -charset => 'utf-8', -cookie => $form->cookie(-name => 'a', -value => 'b'));
print "Hello from Perl: ", join(', ', map { "$_=" . $form->param($_) } sort $form->param), "\n";
