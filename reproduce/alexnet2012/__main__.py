from alexnet2012.cli import main

main()
