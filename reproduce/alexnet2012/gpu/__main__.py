"""`python -m alexnet2012.gpu`: run everything on this machine's GPU, and write the certificate."""

from alexnet2012.gpu.certificate import command

command()
