"""What is run where there is a GPU, and the certificate that tells what came of it."""
