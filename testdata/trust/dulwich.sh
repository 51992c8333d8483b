# client: dulwich (git of poetry)
# family: Python
# looks: certifi, by urllib3
# given: the merged bundle, by a variable
install() { pip_install dulwich dulwich certifi; }
version() { py dulwich -c 'import dulwich; print(*dulwich.__version__)'; }
get() { py dulwich -c "from dulwich import porcelain; porcelain.clone('$ORIGIN/git/repository.git', 'got')" && cat got/README; }
