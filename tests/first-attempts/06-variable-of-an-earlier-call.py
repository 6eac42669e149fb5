# fails: NameError
# hint: without `session` each call has a fresh sandbox
print(len(orders))
